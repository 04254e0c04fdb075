"""Escalation rules fire once each, at their instants, the highest of those due together. Ids are the reference's cases (5a, 5d)."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.identity import Role
from domain.sla.clocks import ClockState
from domain.sla.escalation import (
    ClockMinutes,
    Condition,
    Created,
    Notify,
    Page,
    Raise,
    Reassign,
    Reopened,
    Repeat,
    Rule,
    Silence,
    Webhook,
)
from domain.tickets.model import Priority, Severity, Status
from tests.domain.promises import CALENDARS, LAST, OFFICE, Life, at_percent, policy, terms, when
from tests.domain.tickets import AGENT

ELSE, TEAM = UUID(int=0xE15E), UUID(int=0x7EA)
LADDER = [at_percent(percent) for percent in (50, 75, 90, 100)]


def rule(trigger: object, *actions: object, number: int = 1, **fields: object) -> Rule:
    given = {
        "id": UUID(int=number),
        "name": f"rule {number}",
        "trigger": trigger,
        "actions": actions or (Notify(to="ASSIGNEE"),),
    }
    return Rule.model_validate(given | fields)


def life(*rules: Rule, minutes: int = 60, at: str = "09:00", calendar: UUID | None = None, **fields: object) -> Life:
    of = policy({LAST: minutes}, **({"calendar": calendar} if calendar else {}), rules=rules)  # type: ignore[arg-type]
    return Life.begun(terms(of), when(at), **({"assignee_id": AGENT.id} | fields))


def rungs(one: Life) -> list[tuple[str, str]]:
    """Which rule fired when, over the whole life."""
    fired = [
        entry for d in one.decisions for entry in (d.changes["escalations"].after if "escalations" in d.changes else [])
    ]
    return [(entry["rule"], entry["at"][11:16]) for entry in fired]


def test_each_rung_fires_once_at_its_instant() -> None:
    one = life(*LADDER)
    one.live(when("09:00", 3))
    assert rungs(one) == [("at 50 %", "09:30"), ("at 75 %", "09:45"), ("at 90 %", "09:54"), ("at 100 %", "10:00")]
    assert [template for template, _, _ in one.told()] == [*["sla_warning"] * 3, "sla_breached"]


def test_d1_a_ticket_that_stays_broken_is_told_once_a_rung() -> None:
    one = life(*LADDER)
    one.live(when("09:00", 9))
    assert len(one.told()) == len({rung for _, _, rung in one.told()}) == 4


def test_d4_of_rungs_due_together_the_highest_fires_and_notes_the_others() -> None:
    one = life(*LADDER)
    decision = one.wake(when("12:00"))
    [entry] = decision.changes["escalations"].after
    assert (entry["rule"], entry["at"]) == ("at 100 %", when("10:00").isoformat())
    assert entry["noted"] == ["at 50 %", "at 75 %", "at 90 %"]
    assert one.clock(LAST).breached_at == when("10:00")
    one.live(when("09:00", 9))
    assert len(rungs(one)) == 1


def test_d5_a_rule_that_comes_later_replays_no_lower_rung() -> None:
    one = life(at_percent(90))
    one.live(when("09:54"))
    one.terms = terms(policy({LAST: 60}, rules=LADDER))
    one.live(when("12:00"))
    assert rungs(one) == [("at 90 %", "09:54"), ("at 100 %", "10:00")]


def test_d5_rules_put_on_an_old_ticket_fire_as_the_highest() -> None:
    one = life()
    one.live(when("09:50"))
    one.terms = terms(policy({LAST: 60}, rules=LADDER))
    one.wake(when("09:56"))
    assert rungs(one) == [("at 90 %", "09:54")]


def test_rules_at_the_same_rung_all_fire() -> None:
    one = life(at_percent(50, number=1), at_percent(50, Webhook(), number=2))
    one.live(when("09:30"))
    assert len(rungs(one)) == 2
    assert one.announced("escalated") == 1


def test_a17_business_minutes_before_the_deadline() -> None:
    calendars = {
        **CALENDARS,
        OFFICE: CALENDARS[OFFICE] | {"week": dict.fromkeys(("MON", "TUE"), (("08:00", "18:00"),))},
    }
    of = policy({LAST: 240}, OFFICE, rules=[rule(ClockMinutes(minutes=-60))], calendars=calendars)
    one = Life.begun(terms(of), when("17:00"))
    assert [(d.kind, d.due_at) for d in one.decisions[0].deadlines] == [
        ("ESCALATION", when("10:00", 1)),
        ("RESOLUTION", when("11:00", 1)),
    ]


def test_a19_a_warning_before_a_closed_stretch_comes_at_its_beginning() -> None:
    calendars = {
        **CALENDARS,
        OFFICE: CALENDARS[OFFICE] | {"week": dict.fromkeys(("MON", "TUE"), (("08:00", "18:00"),))},
    }
    of = policy({LAST: 60}, OFFICE, rules=[rule(ClockMinutes(minutes=-30))], calendars=calendars)
    one = Life.begun(terms(of), when("17:30"))
    one.live(when("09:00", 1))
    assert rungs(one) == [("rule 1", "18:00")]
    assert one.clock(LAST).breached_at == when("08:30", 1)


def test_a18_a_warning_before_the_clock_began_never_fires() -> None:
    one = life(rule(ClockMinutes(minutes=-90)))
    one.live(when("12:00"))
    assert rungs(one) == []


def test_minutes_after_a_deadline_count_the_overrun() -> None:
    one = life(rule(ClockMinutes(minutes=30)))
    one.live(when("12:00"))
    assert rungs(one) == [("rule 1", "10:30")]


def test_a_repeat_fires_again_until_it_is_used_up_or_the_promise_kept() -> None:
    again = at_percent(100, repeat=Repeat(every_minutes=20, times=2))
    one = life(again)
    one.live(when("20:00"))
    assert rungs(one) == [("at 100 %", "10:00"), ("at 100 %", "10:20"), ("at 100 %", "10:40")]
    two = life(again)
    two.live(when("10:00"))
    two.move(Status.RESOLVED, when("10:10"))
    two.live(when("20:00"))
    assert rungs(two) == [("at 100 %", "10:00")]


def test_repeats_that_were_missed_are_told_as_one() -> None:
    one = life(at_percent(100, repeat=Repeat(every_minutes=20, times=5)))
    one.live(when("10:00"))
    one.wake(when("11:05"))
    assert rungs(one) == [("at 100 %", "10:00"), ("at 100 %", "11:00")]
    one.live(when("20:00"))
    assert rungs(one)[2:] == [("at 100 %", "11:20"), ("at 100 %", "11:40")]


def test_a_repeat_of_a_lower_rung_is_overtaken_by_a_higher_one() -> None:
    one = life(at_percent(50, repeat=Repeat(every_minutes=20, times=9)), at_percent(100))
    one.live(when("12:00"))
    assert rungs(one) == [("at 50 %", "09:30"), ("at 50 %", "09:50"), ("at 100 %", "10:00")]


def test_a_paused_clock_climbs_no_rung() -> None:
    one = life(*LADDER)
    one.move(Status.PENDING_CUSTOMER, when("09:20"))
    one.live(when("12:00"))
    assert rungs(one) == []
    one.ask(when("13:00"))
    one.live(when("13:10"))
    assert rungs(one) == [("at 50 %", "13:10")]


def test_only_tickets_that_a_rule_is_for_are_escalated() -> None:
    urgent = at_percent(50, condition=Condition(priorities=frozenset({Priority.URGENT})))
    one = life(urgent)
    one.live(when("09:40"))
    assert rungs(one) == []
    one.change(when("09:41"), priority=Priority.URGENT)
    one.live(when("09:45"))
    assert rungs(one) == [("at 50 %", "09:30")]


@pytest.mark.parametrize(
    ("action", "recipient"),
    [
        (Notify(to="ASSIGNEE"), str(AGENT.id)),
        (Notify(to="TEAM_LEAD"), f"lead:{TEAM}"),
        (Notify(to="ON_CALL"), f"oncall:{TEAM}"),
        (Notify(to="USER", id=ELSE), str(ELSE)),
        (Notify(to="TEAM", id=ELSE), f"team:{ELSE}"),
        (Notify(to="ROLE", role=Role.LEAD), "role:LEAD"),
        (Page(), f"oncall:{TEAM}"),
    ],
    ids=lambda value: str(getattr(value, "to", "")),
)
def test_whom_a_rule_means(action: Notify | Page, recipient: str) -> None:
    one = life(at_percent(50, action), team_id=TEAM)
    one.live(when("09:30"))
    [(template, to, _)] = one.told()
    assert (template, to) == ("page" if isinstance(action, Page) else "sla_warning", recipient)


def test_d10_a_rule_that_only_notifies_changes_nothing_of_the_ticket() -> None:
    one = life(at_percent(50), priority=Priority.HIGH)
    decision = one.wake(when("09:30"))
    assert one.ticket.version == 1
    assert not decision.changes.keys() & {"priority", "severity", "assignee_id", "team_id", "status"}


def test_d11_a_ticket_of_nobody_is_its_leads_to_hear_of() -> None:
    one = life(at_percent(50), assignee_id=None)
    one.live(when("09:30"))
    assert [to for _, to, _ in one.told()] == ["lead:"]


def test_a_rule_hands_over_and_raises() -> None:
    one = life(
        at_percent(50, Reassign(assignee_id=ELSE, team_id=TEAM), Raise(priority=Priority.URGENT)), assignee_id=None
    )
    decision = one.wake(when("09:30"))
    ticket = one.ticket
    assert (ticket.assignee_id, ticket.team_id, ticket.priority, ticket.status) == (
        ELSE,
        TEAM,
        Priority.URGENT,
        Status.OPEN,
    )
    assert ticket.version == 2
    assert {"assignee_id", "team_id", "priority", "status"} <= decision.changes.keys()
    assert ("ticket_assigned", str(ELSE)) in [(n.template, n.recipient) for n in decision.notices]


def test_d13_a_raise_shortens_the_clocks_and_starts_no_round() -> None:
    targets = {Severity.SEV3: {LAST: 240}, Severity.SEV1: {LAST: 130}}
    raising = at_percent(50, Raise(severity=Severity.SEV1))
    one = Life.begun(terms(policy(targets, rules=[raising, at_percent(75)])), when("09:00"))
    one.live(when("20:00"))
    assert one.ticket.severity is Severity.SEV1
    assert rungs(one) == [("at 50 %", "11:00"), ("at 75 %", "11:00")]
    assert one.clock(LAST).breached_at == when("11:10")


def test_a_raise_lowers_nothing() -> None:
    one = life(at_percent(50, Raise(priority=Priority.LOW, severity=Severity.SEV4)), priority=Priority.HIGH)
    one.live(when("09:30"))
    assert (one.ticket.priority, one.ticket.severity) == (Priority.HIGH, Severity.SEV3)


def test_a_raise_at_the_deadline_leaves_the_breach_as_it_was() -> None:
    targets = {Severity.SEV3: {LAST: 60}, Severity.SEV1: {LAST: 15}}
    one = Life.begun(terms(policy(targets, rules=[at_percent(100, Raise(severity=Severity.SEV1))])), when("09:00"))
    one.wake(when("11:00"))
    clock = one.clock(LAST)
    assert (clock.state, clock.breached_at, clock.cause) == (ClockState.BREACHED, when("10:00"), "DEADLINE")


def test_rules_on_creation_fire_with_it_and_only_then() -> None:
    engineering = rule(Created(), Page(), condition={"severities": {"SEV1"}})
    one = life(engineering, severity=Severity.SEV1)
    assert [template for template, _, _ in one.told()] == ["page"]
    two = life(engineering)
    two.change(when("09:10"), severity=Severity.SEV1)
    two.live(when("12:00"))
    assert two.told() == []


def test_d12_the_third_reopening_fires_once() -> None:
    one = life(rule(Reopened(count=3)))
    for day in range(1, 6):
        one.move(Status.RESOLVED, when("09:00", day))
        one.ask(when("10:00", day))
    assert [template for template, _, _ in one.told()] == ["escalated"]
    assert rungs(one) == [("rule 1", "10:00")]


def test_d12_a_silent_assignees_time_begins_anew_with_each_assignment_and_act() -> None:
    one = life(rule(Silence(minutes=30)), minutes=600)
    one.answer(when("09:20"))
    one.live(when("09:49"))
    assert rungs(one) == []
    one.change(when("09:49"), assignee_id=ELSE)
    one.live(when("10:19"))
    assert rungs(one) == [("rule 1", "10:19")]
    one.live(when("20:00"))
    assert len(rungs(one)) == 1
    one.change(when("20:00"), assignee_id=AGENT.id)
    one.live(when("20:30"))
    assert rungs(one)[1:] == [("rule 1", "20:30")]


def test_nobody_is_silent_while_the_customer_is_waited_for() -> None:
    one = life(rule(Silence(minutes=30)), minutes=600)
    one.move(Status.PENDING_CUSTOMER, when("09:10"))
    one.live(when("20:00"))
    assert rungs(one) == []


def test_silence_is_counted_in_business_time() -> None:
    one = life(rule(Silence(minutes=60)), minutes=2400, at="16:30", calendar=OFFICE)
    one.live(when("12:00", 1))
    assert rungs(one) == [("rule 1", "09:30")]


def test_every_firing_is_a_promise_of_the_ledger() -> None:
    one = life(*LADDER)
    one.live(when("12:00"))
    ended = [(s.kind, s.cycle, s.state, s.settled_at) for d in one.decisions for s in d.settled]
    assert ended == [
        ("ESCALATION", 1, "FIRED", when("09:30")),
        ("ESCALATION", 2, "FIRED", when("09:45")),
        ("ESCALATION", 3, "FIRED", when("09:54")),
        ("RESOLUTION", 1, "MISSED", when("10:00")),
        ("ESCALATION", 4, "FIRED", when("10:00")),
    ]


@given(
    percents=st.lists(st.integers(1, 200), min_size=1, max_size=6, unique=True),
    stops=st.lists(st.integers(0, 300), max_size=8),
    every=st.none() | st.integers(1, 50),
)
@settings(max_examples=150, deadline=None)
def test_whenever_a_worker_is_there_no_rung_fires_twice_or_before_its_time(
    percents: list[int], stops: list[int], every: int | None
) -> None:
    repeat = Repeat(every_minutes=every, times=3) if every else None
    one = life(*(at_percent(percent, repeat=repeat) for percent in percents))
    for minute in sorted(stops):
        one.wake(when("09:00") + timedelta(minutes=minute))
    marks = [rung for _, _, rung in one.told()]
    assert len(marks) == len(set(marks))
    top = max((percent for percent in percents if percent * 60 <= max(stops, default=0) * 100), default=None)
    fired = {mark.rule.int for mark in one.clock(LAST).fired}
    assert (top in fired) if top else not fired
    assert not {mark for mark in fired if mark * 60 > max(stops, default=0) * 100}
    assert all(d.due_at > one.decisions[-1].state.created_at for d in one.decisions[-1].deadlines)
