"""The decisions of a ticket, each recorded with its projection in one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from temporalio import activity

from activities.decisions import Area, decided
from activities.policies import POLICIES
from activities.routing import ROUTING
from db.bookkeeping import History
from db.decisions import Database, OpenDecision
from db.projections.tickets import project_ticket
from db.routing import LOCK_QUEUE, QUEUE
from db.statements import Bound
from db.tables.tickets import ticket_history
from db.tickets.surroundings import CREATION, FILES, GROUND, RELATED, SURROUNDINGS, TARGET
from domain.customers import ContactChannel, Tier, mail_domain
from domain.process import Decision, Wake
from domain.protocol import Outcome, Record, Request
from domain.sla.clocks import Clock
from domain.tickets.commands import (
    TICKET_COMMAND,
    ApplyMacro,
    Assign,
    CreateTicket,
    ImportTicket,
    Merge,
    Relate,
    TicketCommand,
)
from domain.tickets.decide import decide
from domain.tickets.draft import Event
from domain.tickets.greeting import subject_key
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import Method, Policy, Ticket
from domain.tickets.queueing import waits
from domain.tickets.routing import Queue, Traits, fitting
from domain.tickets.surroundings import Surroundings, Target

log = structlog.get_logger(__name__)

DESCRIPTION_IN_ANSWER: Final = 4096
"""Characters of description that an answer carries; longer ones the API reads from the projection, to keep histories small."""


@dataclass(frozen=True)
class TicketActivities:
    """What decides on tickets, over the worker's database."""

    database: Database

    @activity.defn
    async def decide_ticket(self, request: Request[TicketCommand]) -> Outcome:
        """Decide one input of a ticket. Safe to repeat: the command id is looked up before anything is judged."""
        outcome = await decided(self.database, TICKETS, request)
        if outcome.record:
            warn(request, outcome.record)
        return outcome


def warn(request: Request[Any], record: Record) -> None:
    """Log each breach that a decision found (guide: Logging): `minutes` is how long after the deadline that was."""
    moved = record.changes.get("clocks")
    for each in moved.after if moved and isinstance(moved.after, list) else ():
        clock = Clock.model_validate(each)
        if clock.breached_at and clock.detected_at and clock.detected_at >= record.at and clock.met_at is None:
            log.warning(
                "sla_breach_detected",
                tenant_id=str(request.tenant_id),
                ticket_id=str(request.process_id),
                breach_type=clock.kind,
                minutes=round((clock.detected_at - clock.breached_at).total_seconds() / 60, 3),
                cause=clock.cause,
            )


def reads(request: Request[Any]) -> list[Bound]:
    """What a decision on a ticket reads beside the recorded outcomes, in the same round trip: at most one of the extras."""
    command = request.command
    named = command.change if isinstance(command, ApplyMacro) else command
    values = {
        "tenant": request.tenant_id,
        "assignee": getattr(named, "assignee_id", None),
        "team": getattr(named, "team_id", None),
        "past": isinstance(command, ImportTicket) and command.status in FINAL,
        "known_sla_revision": POLICIES.known(request.tenant_id),
        "known_routing_revision": ROUTING.known(request.tenant_id),
    }
    if isinstance(command, CreateTicket | ImportTicket):
        values |= {
            "email": command.customer_email,
            "domain": mail_domain(command.customer_email),
            "greets": isinstance(command, CreateTicket) and command.channel is ContactChannel.EMAIL,
            "subject_key": subject_key(command.subject),
        }
        return [Bound(CREATION, values), *extras(request)]
    asked = max(filter(None, (request.received_at, request.armed, request.now)))
    return [Bound(SURROUNDINGS, values | {"ticket": request.process_id, "asked": asked}), *extras(request)]


def extras(request: Request[Any]) -> Iterator[Bound]:
    """What only some commands need to know."""
    command = request.command
    said = command.comment if isinstance(command, ApplyMacro) else command
    files = getattr(said, "attachment_ids", ())
    if files:
        origin = getattr(said, "addressed", None) or getattr(said, "follow_up_of", None)
        yield Bound(FILES, {"files": list(files), "ticket": request.process_id, "origin": origin})
    elif isinstance(command, Merge):
        yield Bound(TARGET, {"into": command.into_id})
    elif isinstance(command, Relate):
        link = command.link
        yield Bound(
            RELATED,
            {
                "type": link.type if link else None,
                "target": link.target_id if link else None,
                "watcher": command.watcher_id,
            },
        )


def touches(request: Request[Any]) -> list[UUID]:
    """The other ticket of a merge."""
    return [request.command.into_id] if isinstance(request.command, Merge) else []


def more(opened: OpenDecision) -> list[Bound]:
    """The queue of the team that a ticket is to find somebody in, behind the lock of its teams' rows."""
    team = queued_for(opened)
    if team is None:
        return []
    joins = isinstance(opened.request.command, CreateTicket)
    return [Bound(LOCK_QUEUE, {"team": team}), Bound(QUEUE, {"team": team, "joins": joins})]


def queued_for(opened: OpenDecision) -> UUID | None:
    """The team in whose queue the decision will look."""
    command, row = opened.request.command, opened.row(*GROUND) or {}
    if isinstance(command, Assign):
        ticket = Ticket.model_validate(opened.snapshot.state)
        return ticket.team_id if waits(ticket) else None
    if not isinstance(command, CreateTicket) or command.assignee_id is not None:
        return None
    rules = ROUTING.of(opened.request.tenant_id, row)
    traits = Traits(
        category=command.category,
        tier=row["account_tier"] or command.sla_tier or Tier.BASIC,
        language=command.language,
        channel=command.channel,
        priority=command.priority,
        severity=command.severity,
        tags=command.tags,
        mailbox_id=command.mailbox_id,
    )
    rule = fitting(rules, traits, command.team_id) if rules else None
    return rule.team_id if rule and rule.method is not Method.MANUAL else None


def rule(opened: OpenDecision) -> Decision[Ticket]:
    """The domain's judgement on what was read."""
    request = opened.request
    ticket = Ticket.model_validate(opened.snapshot.state) if opened.snapshot.state else None
    event = Event(at=opened.at, now=opened.now, actor=request.actor)
    decision = decide(ticket, request.command, event, surroundings(opened), request.process_id)
    # Nobody waits for the answer to a wake.
    if isinstance(request.command, Wake):
        return decision
    return decision.model_copy(update={"answer": answer(opened, ticket, decision.state)})


def answer(opened: OpenDecision, before: Ticket | None, after: Ticket) -> dict[str, Any]:
    """What a view of the ticket needs beside its state: a description that is short enough, the rating of its latest resolution."""
    row = opened.row(*GROUND) or {}
    found: dict[str, Any] = {}
    description = getattr(opened.request.command, "description", None) or row.get("description")
    if description is not None and len(description) <= DESCRIPTION_IN_ANSWER:
        found["description"] = description
    if row.get("satisfaction") is not None and before and before.resolutions == after.resolutions:
        found["satisfaction"] = row["satisfaction"]
    return found


def surroundings(opened: OpenDecision) -> Surroundings:
    """What was read, as the domain takes it."""
    request, row = opened.request, opened.row(*GROUND) or {}
    queue, target = opened.row(QUEUE), opened.row(TARGET)
    greeted = row.get("greeted") or (0, 0)
    return Surroundings(
        terms=POLICIES.terms(request.tenant_id, row),
        policy=Policy(
            remind_after=timedelta(minutes=row["remind_after_minutes"]),
            resolve_after=timedelta(minutes=row["resolve_after_minutes"]),
            reopen_grace=timedelta(minutes=row["reopen_grace_minutes"]),
            acknowledge=row["acknowledge"],
            merge_reopens=row["merge_reopens"],
        ),
        number=row.get("number") or 0,
        description=row.get("description"),
        account_id=row.get("account_id"),
        account_tier=row.get("account_tier"),
        assignee_known=row["assignee_known"],
        team_known=row["team_known"],
        rules=ROUTING.of(request.tenant_id, row),
        queue=Queue.model_validate(queue) if queue else None,
        target=Target.model_validate(target) if target else None,
        greeted_subject=greeted[0],
        greeted_sender=greeted[1],
        **(opened.row(FILES, RELATED) or {}),
    )


TICKETS: Final = Area(
    kind="ticket",
    state=Ticket,
    commands=TICKET_COMMAND,
    history=History(ticket_history),
    rule=rule,
    project=project_ticket,
    reads=reads,
    touches=touches,
    more=more,
    contended=frozenset({"ticket_attachments"}),
)
