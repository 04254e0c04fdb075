"""Escalation rules that hand tickets to teams, and the queues of those."""

from uuid import UUID

from domain.identity import Actor
from domain.process import Wake
from domain.sla.escalation import Created, Reassign, Rule
from domain.tickets import routing
from domain.tickets.queueing import waits
from tests.domain.promises import LAST, Life, at_percent, policy, terms, when
from tests.domain.tickets import SOMEBODY, after, creation

FIRST, TEAM = UUID(int=0x7EC), UUID(int=0x7EA)
HAND_ON = Reassign(team_id=TEAM)
THERE = routing.Rule(id=UUID(int=0x12), name="there", team_id=TEAM)


def test_a_rule_that_hands_to_a_team_puts_the_ticket_into_its_queue() -> None:
    one = Life.begun(terms(policy({LAST: 60}, rules=(at_percent(50, HAND_ON),))), when("09:00"))
    one.do(Wake(), when("09:30"), by=Actor(), rules=(THERE,))
    assert (one.ticket.team_id, waits(one.ticket)) == (TEAM, True)


def test_a_rule_on_new_tickets_goes_before_the_queue_of_the_team_that_it_takes_them_from() -> None:
    moves = Rule(id=UUID(int=1), name="moves", trigger=Created(), actions=(HAND_ON,))
    rules = (routing.Rule(id=UUID(int=0x11), name="here", team_id=FIRST), THERE)
    queue = routing.Queue(team_id=FIRST, candidates=(routing.Candidate(user_id=SOMEBODY, capacity=5, load=0),))
    state = after(creation(), terms=terms(policy({LAST: 60}, rules=(moves,))), rules=rules, queue=queue).state
    assert (state.team_id, state.assignee_id, waits(state)) == (TEAM, None, True)
