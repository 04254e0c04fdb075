"""Which moves a ticket has, what a move changes, and what falls due in each status."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domain.identity import Actor
from domain.process import Conflict, Deadline, DeadlineState, Forbidden
from domain.tickets.model import Policy, Status, Ticket

WORKING: Final = frozenset(
    {
        Status.OPEN,
        Status.IN_PROGRESS,
        Status.PENDING_CUSTOMER,
        Status.PENDING_INTERNAL,
        Status.RESOLVED,
        Status.CANCELLED,
    }
)

MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.NEW: WORKING,
    Status.OPEN: WORKING - {Status.OPEN},
    Status.IN_PROGRESS: WORKING - {Status.IN_PROGRESS},
    Status.PENDING_CUSTOMER: WORKING - {Status.PENDING_CUSTOMER},
    Status.PENDING_INTERNAL: WORKING - {Status.PENDING_INTERNAL},
    Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset(),
    Status.CANCELLED: frozenset(),
}
"""The lifecycle of the guide; CLOSED and CANCELLED are final."""

CUSTOMER_MOVES: Final = frozenset({(Status.RESOLVED, Status.OPEN), (Status.RESOLVED, Status.CLOSED)})
"""A customer may only take back or confirm a resolution."""

FINAL: Final = frozenset(status for status, moves in MOVES.items() if not moves)

REMINDER: Final = "CUSTOMER_REMINDER"
AUTO_RESOLVE: Final = "AUTO_RESOLVE"
AUTO_CLOSE: Final = "AUTO_CLOSE"


class IllegalTransition(Conflict):
    """The lifecycle has no such move. Carries the moves that there are."""

    def __init__(self, at: Status, to: Status, actor: Actor) -> None:
        super().__init__(f"A ticket that is {at} cannot become {to}.", allowedTransitions=allowed(at, actor))


class TicketFinal(Conflict):
    """The ticket is closed or cancelled and takes nothing more; a customer's reply opens a follow-up instead."""

    def __init__(self, at: Status) -> None:
        super().__init__(f"The ticket is {at} and takes no more changes.", allowedTransitions=[])


def allowed(at: Status, actor: Actor) -> list[str]:
    """The moves from a status that the actor may make, in the lifecycle's order."""
    return [to.value for to in Status if to in MOVES[at] and (actor.staff or (at, to) in CUSTOMER_MOVES)]


def move(ticket: Ticket, to: Status, at: datetime, actor: Actor) -> Ticket:
    """The ticket after moving to `to` at the instant `at`; the same status is no move. Raises IllegalTransition, Forbidden."""
    if to is ticket.status:
        return ticket
    if to not in MOVES[ticket.status]:
        raise IllegalTransition(ticket.status, to, actor)
    if not actor.staff and (ticket.status, to) not in CUSTOMER_MOVES:
        raise Forbidden(f"Customers cannot move a ticket from {ticket.status} to {to}.")
    return ticket.model_copy(update=moved(ticket, to, at))


def moved(ticket: Ticket, to: Status, at: datetime) -> dict[str, Any]:
    """The fields that entering `to` sets."""
    fields: dict[str, Any] = {"status": to, "status_since": at}
    if to is Status.PENDING_CUSTOMER:
        fields |= {"waits": ticket.waits + 1, "reminded": False}
    if to is Status.RESOLVED:
        fields |= {"resolved_at": at, "resolutions": ticket.resolutions + 1}
        fields |= {"first_response_at": ticket.first_response_at or at}
    if ticket.status is Status.RESOLVED and to is Status.OPEN:
        fields |= {"resolved_at": None, "reopens": ticket.reopens + 1}
    if to in FINAL:
        fields |= {"closed_at": at}
    return fields


def deadlines(ticket: Ticket, policy: Policy) -> tuple[Deadline, ...]:
    """Every promise that a ticket has open, earliest first.

    PENDING_CUSTOMER reminds the customer and then resolves; RESOLVED closes at the end of the reopen grace, which counts from when
    the ticket became so on this desk.
    """
    armed: list[Deadline] = []
    if ticket.status is Status.PENDING_CUSTOMER:
        remind = ticket.status_since + policy.remind_after
        if policy.remind_after and not ticket.reminded:
            armed.append(_deadline(ticket, REMINDER, ticket.waits, remind))
        if policy.resolve_after:
            armed.append(_deadline(ticket, AUTO_RESOLVE, ticket.waits, remind + policy.resolve_after))
    if ticket.status is Status.RESOLVED:
        armed.append(_deadline(ticket, AUTO_CLOSE, ticket.resolutions, ticket.status_since + policy.reopen_grace))
    return tuple(sorted(armed, key=lambda deadline: deadline.due_at))


def _deadline(ticket: Ticket, kind: str, cycle: int, due_at: datetime) -> Deadline:
    return Deadline(kind=kind, cycle=cycle, due_at=due_at, owner_id=ticket.assignee_id, state=DeadlineState.ARMED)
