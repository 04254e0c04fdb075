"""A ticket's history for people: what each decision was, what it changed and why, in a sentence or a few.

Histories keep what decisions recorded, in the words of the programs; this reads them, those of earlier releases too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.notifications.recipients import Kind, Unaddressable, read_recipient
from domain.sla.clocks import Clock, ClockKind
from domain.tickets.clock_story import NAMES, ClockChange, Edit, Why, clock_changes, sentence, told
from domain.tickets.lifecycle import AUTO_CLOSE, AUTO_RESOLVE, REMINDER

BESIDE: Final = frozenset({"promises", "clocks", "escalations", "credits", "limited"})
"""What a history keeps of a decision beside the fields that it changed."""


class Did(StrEnum):
    """What a decision was. The last two are Summit's own: something fell due, or a policy changed."""

    CREATE = "create"
    CHANGE = "change"
    COMMENT = "comment"
    PAUSE = "pause"
    RESUME = "resume"
    WAIVE = "waive"
    REAPPLY = "reapply"
    MACRO = "macro"
    MERGE = "merge"
    ABSORB = "absorb"
    RELATE = "relate"
    ASSIGN = "assign"
    IMPORT = "import"
    IMPORT_COMMENTS = "import_comments"
    DUE = "due"
    RECALCULATE = "recalculate"


BY_HAND: Final = frozenset({Why.MANUAL, Why.WAIVED})
"""What a pause or a waiver says of its clock already."""

BY_ITSELF: Final[Mapping[str, str]] = {
    REMINDER: "The customer was reminded",
    AUTO_RESOLVE: "Resolved by itself, because the customer did not answer",
    AUTO_CLOSE: "Closed by itself at the end of the time in which it could be reopened",
}
"""What a ticket does by itself when its time has come."""

FIELDS: Final[Mapping[str, str]] = {
    "sla_tier": "Tier",
    "assignee_id": "Assignee",
    "team_id": "Team",
    "cc": "Copies",
    "merged_from": "Merged tickets",
}
"""How fields are called that are called otherwise than their names."""

LONG: Final = frozenset({"description", "fields", "links", "watchers", "cc", "merged_from"})
"""Fields whose values would not fit into a sentence."""

GROUPS: Final[Mapping[Kind, str]] = {
    Kind.LEAD: "the team lead",
    Kind.ONCALL: "whoever is on call",
    Kind.TEAM: "the team",
    Kind.ADDRESS: "the customer",
    Kind.PERSON: "a colleague",
}
"""Whom a notice was for, where no name is known."""

PAGED: Final = "page"
"""The template of a page."""

ACTED: Final[Mapping[str, str]] = {
    "NOTIFY": "told",
    "PAGE": "paged",
    "REASSIGN": "reassigned it",
    "RAISE": "raised it",
    "WEBHOOK": "called the webhooks",
}
"""What a rule's action did."""


@dataclass(frozen=True)
class Recorded:
    """A decision as the history keeps it, with the clocks before it; `previous` is the instant of the decision before."""

    command: Mapping[str, Any]
    actor: str
    staff: bool
    decided_at: datetime
    changes: Mapping[str, Any]
    before: Sequence[Clock] = ()
    previous: datetime | None = None


@dataclass(frozen=True)
class Known:
    """Names of what histories name by ids: people and teams, versions of calendars, and (template, recipient) by rung."""

    names: Mapping[str, str] = field(default_factory=dict)
    calendars: Sequence[Edit] = ()
    told: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """A decision for people; `fields` are those that it changed, `promises` what the ticket did by itself or need not do any more."""

    did: Did
    summary: str
    fields: Mapping[str, Any]
    clocks: Sequence[ClockChange]
    escalations: Sequence[Mapping[str, Any]]
    credits: Sequence[Mapping[str, Any]]
    promises: Sequence[tuple[str, int, str]]


def tell(row: Recorded, known: Known) -> Story:
    """A decision for people."""
    fields = {name: change for name, change in row.changes.items() if name not in BESIDE}
    touched = [Clock.model_validate(clock) for clock in kept(row, "clocks")]
    clocks = clock_changes(row.before, touched, known.calendars, row.previous, row.decided_at)
    did = done(row, clocks)
    promises = [lifecycle for text in kept(row, "promises") if (lifecycle := promise(text))]
    story = Story(did, "", fields, clocks, kept(row, "escalations"), kept(row, "credits"), promises)
    return Story(**{**vars(story), "summary": " ".join(map(closed, sentences(row, story, known)))})


def kept(row: Recorded, name: str) -> list[Any]:
    """What is kept beside the fields under a name."""
    return list((row.changes.get(name) or {}).get("after") or ())


def promise(text: str) -> tuple[str, int, str] | None:
    """A promise of the lifecycle that ended, taken apart; those of clocks, rules and credits are told as such."""
    kind, cycle, state = text.split()
    return (kind, int(cycle.removeprefix("#")), state) if kind in BY_ITSELF else None


def done(row: Recorded, clocks: Sequence[ClockChange]) -> Did:
    """What a decision was."""
    name = str(row.command["type"])
    if name == "clock":
        return Did(str(row.command["action"]).lower())
    if name != "wake":
        return Did(name)
    anew = any(change.why in (Why.CALENDAR, Why.POLICY_CHANGE) for change in clocks)
    return Did.RECALCULATE if anew and not kept(row, "escalations") else Did.DUE


def sentences(row: Recorded, story: Story, known: Known) -> Iterator[str]:
    """What was done by whom, and what came of it."""
    opening = began(row, story, known)
    if opening:
        yield opening
    for kind, _, state in story.promises:
        if state == "FIRED":
            yield BY_ITSELF[kind]
    for change in story.clocks:
        if change.why not in BY_HAND or story.did not in (Did.PAUSE, Did.WAIVE):
            yield sentence(change)
    for firing in story.escalations:
        yield fired(firing, known)
    for credit in story.credits:
        yield proposed(credit)
    if not opening and not (story.promises or story.clocks or story.escalations or story.credits):
        yield "What falls due was looked at again"


def reason_of(command: Mapping[str, Any]) -> str | None:
    """Why somebody did it, as they said; a macro's reason is that of its change."""
    return command.get("reason") or (command.get("change") or {}).get("reason")


def closed(text: str) -> str:
    """A sentence with its full stop, which a reason may have brought."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def began(row: Recorded, story: Story, known: Known) -> str:
    """What was done by whom; nothing of the sort when Summit did what was due."""
    changed = ", ".join(field_change(name, change, known) for name, change in story.fields.items())
    reason = reason_of(row.command)
    why = f": {reason}" if reason else ""
    match story.did:
        case Did.CREATE:
            return f"Opened by {row.actor}"
        case Did.CHANGE:
            return f"{changed or 'Nothing changed'} by {row.actor}{why}"
        case Did.COMMENT:
            held = (
                "; it reopened nothing, because mails have reopened the ticket too often"
                if kept(row, "limited")
                else ""
            )
            return said(row) + (f", {changed}" if changed else "") + why + held
        case Did.PAUSE | Did.RESUME | Did.WAIVE:
            verb = {Did.PAUSE: "paused", Did.RESUME: "resumed", Did.WAIVE: "waived"}[story.did]
            return f"{NAMES[ClockKind(row.command['kind'])]} {verb} by {row.actor}{why}"
        case Did.MACRO:
            return f"Macro “{row.command['name']}” by {row.actor}" + (f" ({changed})" if changed else "") + why
        case Did.MERGE:
            return f"Merged into {known.names.get(str(row.command['into_id']), 'another ticket')} by {row.actor}{why}"
        case Did.ABSORB:
            return f"SUP-{row.command['source_number']} was merged into this one by {row.actor}"
        case Did.RELATE:
            return f"{changed or 'Nothing changed'} by {row.actor}"
        case Did.ASSIGN:
            return f"Assigned from the queue ({changed})"
        case Did.IMPORT:
            return f"Taken over from another desk ({row.command['external_ref']}) by {row.actor}"
        case Did.IMPORT_COMMENTS:
            return f"{len(row.command['comments'])} more comments taken over from another desk by {row.actor}"
        case Did.REAPPLY:
            return f"Brought under today's version of its definition by {row.actor}"
        case Did.DUE | Did.RECALCULATE:
            return changed


def said(row: Recorded) -> str:
    """That somebody wrote or called, and when they had, if that was before."""
    call = row.command.get("call")
    if call:
        minutes, seconds = divmod(int(call["seconds"]), 60)
        length = f"{minutes} min {seconds} s" if call["seconds"] else "missed"
        return f"{str(call['direction']).capitalize()} call ({length}) logged by {row.actor}"
    if row.command.get("automatic"):
        return f"An automatic message came ({row.actor})"
    how = "The customer wrote" if not row.staff else "Internal note" if row.command.get("internal") else "Public reply"
    occurred = row.command.get("occurred_at")
    dated = f", made at {told(datetime.fromisoformat(occurred))}" if occurred else ""
    return f"{how} ({row.actor}){dated}" if not row.staff else f"{how} by {row.actor}{dated}"


def field_change(name: str, change: Mapping[str, Any], known: Known) -> str:
    """How a field changed: `Severity SEV3 → SEV1`."""
    title = FIELDS.get(name, name.replace("_", " ").capitalize())
    if name in LONG:
        return f"{title} changed"
    return f"{title} {worded(change.get('before'), known)} → {worded(change.get('after'), known)}"


def worded(value: Any, known: Known) -> str:
    """A value as people read it; ids as the names that they stand for."""
    if isinstance(value, list):
        return ", ".join(str(each) for each in value) or "none"
    return "none" if value is None else known.names.get(str(value), str(value))


def fired(firing: Mapping[str, Any], known: Known) -> str:
    """That an escalation rule fired, for which clock and for the how manyth time, and what it did."""
    clock = f" for {NAMES[ClockKind(firing['clock'])].lower()}" if firing.get("clock") else ""
    times = f", time {firing['times']}" if firing.get("times", 1) > 1 else ""
    acts = [acted(action, known.told.get(rung(firing), ()), known) for action in dict.fromkeys(firing["actions"])]
    noted = "".join(f", “{name}”" for name in firing.get("noted", ()))
    instead = f"; it stands for{noted.removeprefix(',')} too" if noted else ""
    return f"Escalation rule “{firing['rule']}” fired{clock}{times}: {listed(acts)}{instead}"


def acted(action: str, notices: Sequence[tuple[str, str]], known: Known) -> str:
    """What an action of a rule did, and to whom, as the notices of the rung have it."""
    act = ACTED.get(action, action.lower())
    to = [recipient(whom, known) for template, whom in notices if (template == PAGED) == (action == "PAGE")]
    return f"{act} {listed(to)}" if to and action in ("NOTIFY", "PAGE") else act


def rung(firing: Mapping[str, Any]) -> str:
    """What the notices of a firing are filed under."""
    where = f"{firing['clock']}/{firing['cycle']}" if firing.get("clock") else firing["at"]
    return f"{firing['ruleId']}/{where}/{firing['times']}"


def addressed(text: str) -> UUID | None:
    """The person or team that a notice was for, to look its name up."""
    try:
        return read_recipient(text).id
    except Unaddressable:
        return None


def recipient(text: str, known: Known) -> str:
    """Whom a notice was for, by name where there is one."""
    try:
        to = read_recipient(text)
    except Unaddressable:
        return text
    if to.kind is Kind.ROLE:
        return f"everybody with the role {to.role}"
    name = known.names.get(str(to.id), "")
    if to.kind in (Kind.PERSON, Kind.TEAM) and name:
        return name
    return GROUPS[to.kind] + (f" of {name}" if name else "")


def listed(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    *head, last = list(dict.fromkeys(parts)) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def proposed(credit: Mapping[str, Any]) -> str:
    """What a breach is worth by now."""
    name = NAMES[ClockKind(credit["clock"])].lower()
    return (
        f"A credit of {credit['amount']} {credit['currency']} ({credit['percent']} % of the monthly fee) is proposed for"
        f" the breach of the {name}"
    )
