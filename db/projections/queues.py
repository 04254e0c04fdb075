"""What a decision on a ticket does to the queues of teams: it gives somebody a turn, frees room, or adds to a line."""

from collections.abc import Iterator
from uuid import UUID

from db.decisions import OpenDecision
from db.routing import LOCK_QUEUES_OF, NOTE_TURN, QUEUE_DRAINS
from db.statements import Bound
from domain.process import Decision
from domain.tickets.model import ChangeTicket, CreateTicket, ImportTicket, Ticket
from domain.tickets.queueing import unresolved, waits


def project_queue(opened: OpenDecision, decision: Decision[Ticket]) -> Iterator[Bound]:
    """Note whose turn it was; where room has come free or the ticket waits, have the queue looked at."""
    if not (opened.rows and opened.rows[0] and opened.rows[0].get("routing_revision")):
        return  # no tenant pays for queues that it does not have; what is restored is looked at anyhow
    command, ticket, tenant = opened.request.command, decision.state, opened.request.tenant_id
    before = Ticket.model_validate(opened.snapshot.state) if opened.snapshot.state else None
    had = before.assignee_id if before else None
    if ticket.assignee_id not in (None, had) and not _by_hand(command):
        yield Bound(NOTE_TURN, {"at": opened.at, "team": ticket.team_id, "agent": ticket.assignee_id})
    freed = had if before and unresolved(before) and not (unresolved(ticket) and ticket.assignee_id == had) else None
    joined = ticket.team_id if waits(ticket) and _is_new_in_line(before, ticket, opened) else None
    if freed or joined:
        whom: dict[str, UUID | None] = {"agent": freed, "team": joined}
        yield Bound(LOCK_QUEUES_OF, whom)
        yield Bound(QUEUE_DRAINS, whom | {"tenant_id": tenant, "author": opened.request.actor.model_dump_json()})


def _by_hand(command: object) -> bool:
    return isinstance(command, ChangeTicket | CreateTicket | ImportTicket) and command.assignee_id is not None


def _is_new_in_line(before: Ticket | None, ticket: Ticket, opened: OpenDecision) -> bool:
    """A new ticket that finds nobody free joins a line that is drained when somebody is; unless the line stands without cause."""
    if before is None:
        found = opened.rows[-1] if len(opened.rows) > 2 else None
        return bool(found and found["waiting"])
    return not waits(before) or before.team_id != ticket.team_id
