"""Where tickets go, and who gets them."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.customers import ContactChannel, Tier
from domain.tickets.commands import Assign, ChangeTicket
from domain.tickets.model import Method, Route, Status
from domain.tickets.queueing import NobodyFree, NothingToAssign, waits
from domain.tickets.routing import Candidate, Condition, Queue, Rule, choose, fitting
from tests.domain.tickets import AGENT, CUSTOMER, SOMEBODY, START, after, creation, move, ticket, told

TEAM, OTHER_TEAM = UUID(int=0x7EA), UUID(int=0x7EB)
ADA, GRACE, LINUS = (UUID(int=n) for n in (1, 2, 3))
RULE = Rule(id=UUID(int=0x11), name="all", team_id=TEAM)
ROUTE = Route(rule_id=RULE.id, method=Method.LEAST_LOADED)


def member(user_id: UUID, load: int = 0, capacity: int = 20, **fields: object) -> Candidate:
    return Candidate(user_id=user_id, load=load, capacity=capacity, **fields)


def rule(n: int, team_id: UUID = TEAM, *, method: Method = Method.LEAST_LOADED, **condition: object) -> Rule:
    return Rule(id=UUID(int=n), name=str(n), team_id=team_id, method=method, condition=Condition(**condition))


@pytest.mark.parametrize(
    ("condition", "fields", "fits"),
    [
        ({}, {}, True),
        ({"categories": ("billing",)}, {"category": "Billing"}, True),
        ({"categories": ("billing",)}, {"category": "Sign-in"}, False),
        ({"categories": ("billing",)}, {}, False),
        ({"languages": ("de",)}, {"language": "de-AT"}, True),
        ({"languages": ("de-AT",)}, {"language": "de"}, False),
        ({"tiers": (Tier.BASIC,)}, {}, True),
        ({"tiers": (Tier.PREMIUM,)}, {}, False),
        ({"tags": ("VIP",)}, {"tags": ("vip", "new")}, True),
        ({"tags": ("vip",)}, {"tags": ("new",)}, False),
        ({"categories": ("billing",), "tags": ("vip",)}, {"category": "billing"}, False),
    ],
)
def test_a_rule_is_for_tickets_that_meet_all_of_its_condition(
    condition: dict[str, object], fields: dict[str, object], fits: bool
) -> None:
    state = after(creation(**fields), by=AGENT, rules=(rule(1, **condition),)).state
    assert (state.team_id == TEAM) is fits
    assert (state.route is not None) is fits


def test_the_first_rule_that_fits_decides() -> None:
    rules = (rule(1, OTHER_TEAM, tags=("vip",)), rule(2), rule(3, OTHER_TEAM))
    assert after(creation(), rules=rules).state.team_id == TEAM
    assert after(creation(tags=("vip",)), rules=rules).state.team_id == OTHER_TEAM


def test_the_tier_of_the_account_is_what_rules_look_at() -> None:
    rules = (rule(1, tiers=(Tier.PREMIUM,)),)
    assert after(creation(), rules=rules, account_tier=Tier.PREMIUM).state.team_id == TEAM


def test_a_chosen_team_or_assignee_is_kept() -> None:
    rules = (rule(1), rule(2, OTHER_TEAM))
    kept = after(creation(team_id=OTHER_TEAM), rules=rules).state
    assert (kept.team_id, kept.route and kept.route.rule_id) == (OTHER_TEAM, UUID(int=2))
    assert after(creation(assignee_id=SOMEBODY), rules=rules).state.team_id is None


def test_a_new_ticket_goes_to_the_agent_with_the_most_room_and_is_open() -> None:
    queue = Queue(team_id=TEAM, candidates=(member(ADA, 3), member(GRACE, 2)))
    decision = after(creation(channel=ContactChannel.PORTAL), by=CUSTOMER, rules=(RULE,), queue=queue)
    assert (decision.state.assignee_id, decision.state.status) == (GRACE, Status.OPEN)
    assert ("ticket_assigned", str(GRACE)) in told(decision)


def test_a_new_ticket_waits_behind_those_that_wait() -> None:
    queue = Queue(team_id=TEAM, candidates=(member(ADA),), waiting=True)
    state = after(creation(), rules=(RULE,), queue=queue).state
    assert (state.assignee_id, state.status) == (None, Status.NEW)
    assert waits(state)


def test_room_is_a_share_of_capacity() -> None:
    assert choose([member(ADA, 3, 5), member(GRACE, 8, 20)], ROUTE) == GRACE


def test_nobody_gets_more_than_they_have_room_for() -> None:
    assert choose([member(ADA, 20), member(GRACE, 21)], ROUTE) is None
    assert choose([], ROUTE) is None


def test_only_those_with_every_skill_are_chosen() -> None:
    needing = ROUTE.model_copy(update={"skills": ("Billing", "de")})
    able = member(GRACE, 9, skills=("DE", "billing", "x"))
    assert choose([member(ADA, skills=("billing",)), able], needing) == GRACE
    assert choose([member(ADA, skills=("billing",))], needing) is None


def test_round_robin_gives_to_whom_the_queue_gave_nothing_for_longest() -> None:
    robin = ROUTE.model_copy(update={"method": Method.ROUND_ROBIN})
    at = {"assigned_at": START}
    assert choose([member(ADA, 0, **at), member(GRACE, 5), member(LINUS, 0, **at)], robin) == GRACE
    assert (
        choose([member(ADA, 0, assigned_at=START), member(GRACE, 5, assigned_at=START - timedelta(1))], robin) == GRACE
    )


def test_by_hand_means_by_hand() -> None:
    assert choose([member(ADA)], ROUTE.model_copy(update={"method": Method.MANUAL})) is None
    state = after(creation(), rules=(rule(1, method=Method.MANUAL),)).state
    assert state.team_id == TEAM
    assert not waits(state)


def test_equals_take_turns() -> None:
    given, turn = [], {ADA: START, GRACE: START}
    load = {ADA: 0, GRACE: 0}
    for n in range(40):
        chosen = choose([member(who, load[who], assigned_at=turn[who]) for who in (ADA, GRACE)], ROUTE)
        assert chosen
        given.append(chosen)
        load[chosen] += 1
        turn[chosen] = START + timedelta(seconds=n)
    assert load == {ADA: 20, GRACE: 20}
    assert choose([member(who, load[who]) for who in load], ROUTE) is None


def test_a_waiting_ticket_is_given_to_whoever_has_room() -> None:
    waiting = ticket(Status.NEW, team_id=TEAM, route=ROUTE)
    decision = after(Assign(), waiting, queue=Queue(team_id=TEAM, candidates=(member(ADA),), waiting=True))
    assert (decision.state.assignee_id, decision.state.status) == (ADA, Status.OPEN)


def test_assigning_is_refused_where_nobody_has_room_or_nothing_waits() -> None:
    waiting = ticket(Status.NEW, team_id=TEAM, route=ROUTE)
    with pytest.raises(NobodyFree):
        after(Assign(), waiting, queue=Queue(team_id=TEAM))
    for other in (
        ticket(team_id=TEAM, route=ROUTE, assignee_id=ADA),
        ticket(team_id=TEAM),
        ticket(Status.RESOLVED, team_id=TEAM, route=ROUTE),
    ):
        with pytest.raises(NothingToAssign):
            after(Assign(), other, queue=Queue(team_id=TEAM, candidates=(member(ADA),)))


def test_a_change_of_team_takes_the_route_of_the_rule_that_leads_there() -> None:
    rules = (RULE, rule(2, OTHER_TEAM))
    moved = after(ChangeTicket(team_id=OTHER_TEAM), ticket(team_id=TEAM, route=ROUTE), rules=rules).state
    assert moved.route
    assert moved.route.rule_id == UUID(int=2)
    gone = after(ChangeTicket(team_id=SOMEBODY), ticket(team_id=TEAM, route=ROUTE), rules=rules).state
    assert gone.route is None
    assert after(ChangeTicket(team_id=None), ticket(team_id=TEAM, route=ROUTE), rules=rules).state.route is None


def test_who_gave_a_ticket_back_does_not_get_it_again_from_the_queue() -> None:
    given = ticket(team_id=TEAM, route=ROUTE, assignee_id=ADA)
    back = after(ChangeTicket(assignee_id=None), given).state
    assert waits(back)
    assert back.route
    assert back.route.declined_by == (ADA,)
    assert choose([member(ADA, 0), member(GRACE, 19)], back.route) == GRACE
    assert choose([member(ADA, 0)], back.route) is None
    again = after(ChangeTicket(assignee_id=None), back.model_copy(update={"assignee_id": ADA})).state
    assert again.route == back.route


def test_a_change_of_team_forgets_who_gave_the_ticket_back() -> None:
    declined = ROUTE.model_copy(update={"declined_by": (ADA,)})
    rules = (rule(2, OTHER_TEAM),)
    moved = after(ChangeTicket(team_id=OTHER_TEAM), ticket(team_id=TEAM, route=declined), rules=rules).state
    assert moved.route
    assert moved.route.declined_by == ()


def test_other_changes_keep_the_route() -> None:
    state = after(move(Status.IN_PROGRESS), ticket(team_id=TEAM, route=ROUTE), rules=()).state
    assert state.route == ROUTE


def test_without_rules_nobody_is_sent_anywhere() -> None:
    assert fitting((), None) is None  # type: ignore[arg-type]
    assert after(creation()).state.team_id is None
