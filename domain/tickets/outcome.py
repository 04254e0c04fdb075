"""What a decision on a ticket comes to: its version, what the history keeps, what is announced, what operators see."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from domain.process import Change, Command, Decision, Settlement, Wake
from domain.sla.clocks import ClockState
from domain.tickets.commands import Absorb, Assign, ImportComments, ImportTicket, Merge, Relate, change_in, comment_in
from domain.tickets.draft import Draft
from domain.tickets.due import promises
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import Ticket
from domain.tickets.surroundings import Surroundings

PATCHED: Final = (
    "status",
    "priority",
    "severity",
    "category",
    "subject",
    "sla_tier",
    "assignee_id",
    "team_id",
    "tags",
    "fields",
    "language",
)
"""The fields of the state that PATCH can change; only they move the version. The description is a document, handled beside."""

RELATED: Final = ("merged_into", "merged_from", "links", "watchers", "cc")
"""Fields of the state that the history tells of, and that PATCH cannot change."""

EMPTY: Final[Mapping[str, Any]] = {name: Ticket.model_fields[name].default for name in RELATED}

NOTHING: Final[Mapping[str, Change]] = {}


def conclude(before: Ticket | None, draft: Draft, command: Command) -> Decision[Ticket]:
    """Number the version, note what changed, and list what is open now."""
    ticket, event, around = draft.ticket, draft.event, draft.around
    moved = {name for name in PATCHED if before is None or getattr(before, name) != getattr(ticket, name)}
    was = before.model_dump(mode="json", include=moved) if before and moved else {}
    now = ticket.model_dump(mode="json", include=moved) if moved else {}
    changes: dict[str, Change] = {
        name: Change(before=was.get(name), after=now[name]) for name in PATCHED if name in moved
    }
    changes |= described(command, around) if before is not None else NOTHING
    if before is not None and changes:
        ticket = ticket.model_copy(update={"version": ticket.version + 1})
    moved_on = changes or draft.notices or (draft.ticket != before and not isinstance(command, ImportComments))
    if before is not None and moved_on:
        ticket = ticket.model_copy(update={"updated_at": max(event.at, before.updated_at)})
    draft.ticket = ticket
    settled = tuple(sorted((*draft.ends_of_clocks(before), *draft.settled), key=lambda end: end.settled_at))
    announce(draft, before, command, changed=bool(changes))
    open_now = promises(ticket, around)
    return Decision(
        state=ticket,
        deadlines=open_now,
        settled=settled,
        changes=changes | related(before, ticket) | noted(draft, settled),
        notices=tuple(draft.notices),
        announcements=tuple(draft.announcements),
        final=ticket.status in FINAL and not ticket.incomplete,
        details=describe(ticket, open_now),
        attributes=attributes(ticket),
    )


def related(before: Ticket | None, ticket: Ticket) -> dict[str, Change]:
    """What the ticket hangs together with, where that has changed."""
    moved = {name for name in RELATED if getattr(ticket, name) != (getattr(before, name) if before else EMPTY[name])}
    if not moved:
        return {}
    was = before.model_dump(mode="json", include=moved) if before else {}
    now = ticket.model_dump(mode="json", include=moved)
    return {name: Change(before=was.get(name), after=now[name]) for name in RELATED if name in moved}


def noted(draft: Draft, settled: Sequence[Settlement]) -> dict[str, Change]:
    """What the history keeps beside the fields: promises that ended, clocks that moved, rules that fired, credits proposed."""
    limited: list[JsonValue] = ["too many reopenings by mail"] if draft.limited else []
    found: dict[str, list[JsonValue]] = {
        "limited": limited,
        "promises": [f"{promise.kind} #{promise.cycle} {promise.state}" for promise in settled],
        "clocks": [clock.model_dump(mode="json") for clock in draft.touched.values()],
        "escalations": draft.escalated,
        "credits": draft.proposed,
    }
    return {name: Change(after=entries) for name, entries in found.items() if entries}


def described(command: Command, around: Surroundings) -> Mapping[str, Change]:
    """How a command changes the description, which is a document beside the state."""
    asked = change_in(command)
    if asked is None or asked.description in (None, around.description):
        return NOTHING
    return {"description": Change(before=around.description, after=asked.description)}


def announce(draft: Draft, before: Ticket | None, command: Command, *, changed: bool) -> None:
    """Tell listeners of the decision itself; internal comments are the staff's own.

    What is said and changes fields too is both. What time alone brings about is announced by what it is, and as an update only
    when it has changed the ticket's fields.
    """
    if (isinstance(command, Wake) and not changed) or isinstance(command, ImportTicket | ImportComments):
        return
    said = comment_in(command)
    if isinstance(command, Merge):
        draft.announce("merged", internal=False, intoId=str(command.into_id))
    elif before is None:
        draft.announce("created", internal=False)
    elif said is not None:
        draft.announce("commented", internal=said.internal, commentId=str(said.comment_id))
        if changed:
            draft.announce("updated", internal=False)
    else:
        draft.announce("updated", internal=isinstance(command, Relate | Absorb | Assign))


def describe(ticket: Ticket, open_now: tuple[Any, ...]) -> str:
    """The ticket in Markdown, for operators who look at its workflow."""
    head = f"**SUP-{ticket.number}** {ticket.status} · {ticket.severity} {ticket.priority} · {ticket.sla_tier} · v{ticket.version}"
    who = f"assignee `{ticket.assignee_id or '–'}` · team `{ticket.team_id or '–'}` · account `{ticket.account_id or '–'}`"
    dues = "\n".join(f"- {d.kind} #{d.cycle} due {d.due_at:%Y-%m-%d %H:%M:%S}Z" for d in open_now)
    return "\n\n".join(part for part in (head, who, dues) if part)


def attributes(ticket: Ticket) -> dict[str, str | bool]:
    """What operators can filter workflows by."""
    found: dict[str, str | bool] = {
        "SupStatus": ticket.status.value,
        "SupSeverity": ticket.severity.value,
        "SupTier": ticket.sla_tier.value,
    }
    if any(clock.state is ClockState.BREACHED for clock in ticket.clocks):
        found["SupBreached"] = True
    return found | ({"SupAssignee": str(ticket.assignee_id)} if ticket.assignee_id else {})
