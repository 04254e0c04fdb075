"""The decisions of a ticket, each recorded with its projection in one transaction."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from temporalio import activity

from activities.decisions import Area, decided
from activities.policies import POLICIES
from db.bookkeeping import History
from db.decisions import Database, OpenDecision
from db.projections.tickets import project_ticket
from db.statements import Bound
from db.tables.tickets import ticket_history
from db.tickets.surroundings import CREATION, SURROUNDINGS
from domain.customers import mail_domain
from domain.process import Decision, Wake
from domain.protocol import Outcome, Record, Request
from domain.sla.clocks import Clock
from domain.tickets.decide import decide
from domain.tickets.draft import Event
from domain.tickets.model import TICKET_COMMAND, CreateTicket, Policy, Ticket, TicketCommand
from domain.tickets.surroundings import Surroundings

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
    """What a decision on a ticket reads beside the recorded outcomes, in the same round trip."""
    command = request.command
    values = {
        "tenant": request.tenant_id,
        "assignee": getattr(command, "assignee_id", None),
        "team": getattr(command, "team_id", None),
        "known_sla_revision": POLICIES.known(request.tenant_id),
    }
    if isinstance(command, CreateTicket):
        return [
            Bound(CREATION, values | {"email": command.customer_email, "domain": mail_domain(command.customer_email)})
        ]
    asked = max(filter(None, (request.received_at, request.armed, request.now)))
    return [Bound(SURROUNDINGS, values | {"ticket": request.process_id, "asked": asked})]


def rule(opened: OpenDecision) -> Decision[Ticket]:
    """The domain's judgement on what was read."""
    request, row = opened.request, opened.rows[0] or {}
    around = Surroundings(
        terms=POLICIES.terms(request.tenant_id, row),
        policy=Policy(
            remind_after=timedelta(minutes=row["remind_after_minutes"]),
            resolve_after=timedelta(minutes=row["resolve_after_minutes"]),
            reopen_grace=timedelta(minutes=row["reopen_grace_minutes"]),
        ),
        number=row.get("number") or 0,
        description=row.get("description"),
        account_id=row.get("account_id"),
        account_tier=row.get("account_tier"),
        assignee_known=row["assignee_known"],
        team_known=row["team_known"],
    )
    ticket = Ticket.model_validate(opened.snapshot.state) if opened.snapshot.state else None
    event = Event(at=opened.at, now=opened.now, actor=request.actor)
    decision = decide(ticket, request.command, event, around, request.process_id)
    description = getattr(request.command, "description", None) or row.get("description")
    # Nobody waits for the answer to a wake.
    if isinstance(request.command, Wake) or description is None or len(description) > DESCRIPTION_IN_ANSWER:
        return decision
    return decision.model_copy(update={"answer": {"description": description}})


TICKETS: Final = Area(
    kind="ticket",
    state=Ticket,
    commands=TICKET_COMMAND,
    history=History(ticket_history),
    rule=rule,
    project=project_ticket,
    reads=reads,
)
