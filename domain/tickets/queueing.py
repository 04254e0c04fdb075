"""A ticket's way through its team's queue: sent there by a rule, given to an agent with room, or left to wait for one."""

from typing import Final
from uuid import UUID

from domain.process import Conflict
from domain.tickets.draft import Draft
from domain.tickets.lifecycle import FINAL, moved
from domain.tickets.model import Method, Status, Ticket
from domain.tickets.routing import Rule, Traits, choose, fitting, route_of

MOST_DECLINED: Final = 50


class NothingToAssign(Conflict):
    """The ticket does not wait in a queue: it has somebody, is over, or no rule has sent it to a team."""

    def __init__(self) -> None:
        super().__init__("The ticket does not wait for an agent.")


class NobodyFree(Conflict):
    """Nobody of the team who is available, able and has room is left."""

    def __init__(self) -> None:
        super().__init__("Nobody in the team has room for this ticket.")


def unresolved(ticket: Ticket) -> bool:
    """Whether a ticket still takes somebody's time."""
    return ticket.status is not Status.RESOLVED and ticket.status not in FINAL


def waits(ticket: Ticket) -> bool:
    """Whether a ticket waits for the next agent of its team who has room."""
    return (
        ticket.assignee_id is None
        and ticket.route is not None
        and ticket.route.method is not Method.MANUAL
        and ticket.team_id is not None
        and unresolved(ticket)
    )


def traits(ticket: Ticket) -> Traits:
    """What rules look at."""
    return Traits(
        category=ticket.category,
        tier=ticket.sla_tier,
        language=ticket.language,
        channel=ticket.channel,
        priority=ticket.priority,
        severity=ticket.severity,
        tags=ticket.tags,
        mailbox_id=ticket.mailbox_id,
    )


def route(draft: Draft) -> None:
    """Send a new ticket that nobody has to the team that the rules name."""
    if draft.ticket.assignee_id is None:
        send(draft, fitting(draft.around.rules, traits(draft.ticket), draft.ticket.team_id))


def enqueue(draft: Draft) -> None:
    """Give a new ticket to an agent of its team, unless somebody waits before it or a rule has sent it on to another team."""
    queue = draft.around.queue
    if queue and queue.team_id == draft.ticket.team_id and not queue.waiting and waits(draft.ticket):
        hand_over(draft)


def send(draft: Draft, rule: Rule | None) -> None:
    """Take a rule as what led the ticket to its team; None when none does."""
    if rule is None:
        draft.set(route=None)
    else:
        draft.set(team_id=rule.team_id, route=route_of(rule))


def transferred(draft: Draft, before: Ticket) -> None:
    """After a change of team: the rule that leads there says how its queue works."""
    if draft.ticket.team_id != before.team_id:
        there = draft.ticket.team_id
        send(draft, fitting(draft.around.rules, traits(draft.ticket), there) if there else None)


def given_back(draft: Draft, before: Ticket) -> None:
    """After an assignee was taken away by hand: the ticket waits for somebody else of the team."""
    kept = draft.ticket.route
    if kept and before.assignee_id and draft.ticket.assignee_id is None and draft.ticket.team_id == before.team_id:
        declined = dict.fromkeys((*kept.declined_by, before.assignee_id))
        draft.set(route=kept.model_copy(update={"declined_by": tuple(declined)[-MOST_DECLINED:]}))


def assign(draft: Draft) -> None:
    """Give a waiting ticket to whoever has room. Raises NothingToAssign, NobodyFree."""
    if not waits(draft.ticket):
        raise NothingToAssign
    if not hand_over(draft):
        raise NobodyFree


def hand_over(draft: Draft) -> bool:
    """Give the ticket to the agent whom its route chooses; whether there is one."""
    queue, route = draft.around.queue, draft.ticket.route
    chosen = choose(queue.candidates, route) if queue and route else None
    if chosen is None:
        return False
    give(draft, chosen)
    return True


def give(draft: Draft, agent_id: UUID) -> None:
    """Make somebody the assignee; a new ticket is open from then on."""
    at = draft.event.at
    draft.set(assignee_id=agent_id, acted_at=at)
    if draft.ticket.status is Status.NEW:
        draft.set(**moved(draft.ticket, Status.OPEN, at))
    draft.tell_assignee("ticket_assigned")
