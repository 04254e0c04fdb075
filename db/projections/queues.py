"""What a decision on a ticket does to the queues of teams: it gives somebody a turn, frees room, or adds to a line."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from db.decisions import OpenDecision
from db.routing import LOCK_QUEUES_OF, NOTE_TURN, QUEUE, QUEUE_DRAINS
from db.statements import Bound
from db.tickets.surroundings import GROUND
from domain.process import Command, Decision
from domain.tickets.commands import ChangeTicket, CreateTicket, ImportTicket, change_in
from domain.tickets.model import Ticket
from domain.tickets.queueing import unresolved, waits


def project_queue(opened: OpenDecision, decision: Decision[Ticket]) -> Iterator[Bound]:
    """Note whose turn it was; where room has come free or the ticket waits, have the queue looked at."""
    if not (opened.row(*GROUND) or {}).get("routing_revision"):
        return  # no tenant pays for queues that it does not have; what is restored is looked at anyhow
    command, ticket, tenant = opened.request.command, decision.state, opened.request.tenant_id
    before = Ticket.model_validate(opened.snapshot.state) if opened.snapshot.state else None
    had = before.assignee_id if before else None
    if ticket.assignee_id not in (None, had) and not _by_hand(command):
        yield Bound(NOTE_TURN, {"at": opened.at, "team": ticket.team_id, "agent": ticket.assignee_id})
    queue = opened.row(QUEUE)
    worked = had if before and unresolved(before) else None
    works = ticket.assignee_id if unresolved(ticket) else None
    freed = worked if worked != works else None
    joined = ticket.team_id if waits(ticket) and _is_new_in_line(before, ticket, queue) else None
    # Who gets more to do by hand gets it before or after a queue has counted, not while it counts.
    burdened = works if works != worked and not _among(queue, works) else None
    agents = [agent for agent in (freed, burdened) if agent]
    if agents or joined:
        yield Bound(LOCK_QUEUES_OF, {"agents": agents, "team": joined})
    if freed or joined:
        author = opened.request.actor.model_dump_json()
        yield Bound(
            QUEUE_DRAINS, {"agent": freed, "teams": [joined] if joined else [], "tenant_id": tenant, "author": author}
        )


def _by_hand(command: Command) -> bool:
    named = change_in(command) or command
    return isinstance(named, ChangeTicket | CreateTicket | ImportTicket) and named.assignee_id is not None


def _among(queue: Mapping[str, Any] | None, agent: UUID | None) -> bool:
    return queue is not None and any(each["user_id"] == str(agent) for each in queue["candidates"])


def _is_new_in_line(before: Ticket | None, ticket: Ticket, queue: Mapping[str, Any] | None) -> bool:
    """A new ticket that finds nobody free joins a line that is drained when somebody is; unless the line stands without cause."""
    if before is None:
        return queue is None or queue["team_id"] != ticket.team_id or bool(queue["waiting"])
    return not waits(before) or before.team_id != ticket.team_id
