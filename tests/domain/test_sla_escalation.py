"""Which escalation rules are refused, and which tickets they are for."""

from typing import Any
from uuid import UUID

import pytest

from domain.identity import Role
from domain.sla.escalation import (
    ClockMinutes,
    ClockPercent,
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
    faults,
    loop,
)
from domain.tickets.model import Priority, Severity
from tests.domain.tickets import ticket as a_ticket

TELL = (Notify(to="ASSIGNEE"),)
ONE, TWO = UUID(int=11), UUID(int=12)


def rule(number: int = 1, **fields: Any) -> Rule:
    return Rule(**({"id": UUID(int=number), "name": "R", "trigger": Created(), "actions": TELL} | fields))


def test_the_usual_rules_have_no_faults() -> None:
    for trigger in (
        ClockPercent(percent=75),
        ClockMinutes(minutes=-30),
        Created(),
        Reopened(count=3),
        Silence(minutes=60),
    ):
        assert faults(rule(trigger=trigger)) == []
    assert faults(rule(actions=(Page(), Raise(priority=Priority.URGENT), Notify(to="ROLE", role=Role.LEAD)))) == []


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"trigger": ClockPercent(percent=0)}, {"/trigger/percent"}),
        ({"trigger": ClockPercent(percent=1001)}, {"/trigger/percent"}),
        ({"trigger": ClockMinutes(minutes=-600_000)}, {"/trigger/minutes"}),
        ({"trigger": Reopened(count=0)}, {"/trigger/count"}),
        ({"trigger": Silence(minutes=0)}, {"/trigger/minutes"}),
        ({"actions": ()}, {"/actions"}),
        ({"actions": (Notify(to="USER"), Notify(to="ROLE"))}, {"/actions/0/id", "/actions/1/role"}),
        ({"actions": (Notify(to="ROLE", role=Role.CUSTOMER),)}, {"/actions/0/role"}),
        ({"actions": (Notify(to="ASSIGNEE", id=ONE, role=Role.LEAD),)}, {"/actions/0/id", "/actions/0/role"}),
        ({"actions": (Notify(to="USER", id=ONE, role=Role.LEAD),)}, {"/actions/0/role"}),
        ({"actions": (Reassign(), Raise())}, {"/actions/0", "/actions/1"}),
        ({"repeat": Repeat(every_minutes=0, times=0)}, {"/repeat/everyMinutes", "/repeat/times"}),
    ],
)
def test_every_fault_is_named_at_its_place(fields: dict[str, Any], pointers: set[str]) -> None:
    assert {fault.pointer for fault in faults(rule(**fields))} == pointers


def test_a_rule_is_for_tickets_with_one_of_each_kind_of_value() -> None:
    ticket = a_ticket(severity=Severity.SEV1, priority=Priority.LOW, team_id=ONE)
    assert Condition().holds(ticket)
    assert Condition(severities={Severity.SEV1, Severity.SEV2}, team_ids={ONE}).holds(ticket)
    assert not Condition(severities={Severity.SEV1}, priorities={Priority.HIGH}).holds(ticket)
    assert not Condition(categories={"Billing"}).holds(ticket)


def handing(number: int, to: UUID, *of: UUID) -> Rule:
    return rule(
        number, trigger=Silence(minutes=60), condition=Condition(team_ids=set(of)), actions=(Reassign(team_id=to),)
    )


def test_rules_that_hand_a_silent_ticket_round_are_found() -> None:
    there, back = handing(1, TWO, ONE), handing(2, ONE, TWO)
    assert loop([there, back]) == [there, back]
    assert loop([handing(1, TWO), handing(2, ONE)])
    third = UUID(int=13)
    assert len(loop([handing(1, TWO, ONE), handing(2, third, TWO), handing(3, ONE, third)])) == 3


def test_many_rules_that_all_lead_on_are_judged_at_once() -> None:
    teams = [UUID(int=100 + number) for number in range(100)]
    dense = [
        rule(
            number + 1,
            trigger=Silence(minutes=60),
            condition=Condition(team_ids={team}),
            actions=tuple(Reassign(team_id=later) for later in teams[number + 1 :]) or TELL,
        )
        for number, team in enumerate(teams)
    ]
    assert loop(dense) == []
    assert loop([*dense, handing(200, teams[0], teams[-1])]) == [dense[0], handing(200, teams[0], teams[-1])]


def test_rules_that_hand_a_ticket_on_come_to_an_end() -> None:
    third = UUID(int=13)
    assert loop([handing(1, TWO, ONE), handing(2, third, TWO)]) == []
    assert loop([handing(1, TWO)]) == []
    assert loop([rule(1, actions=(Reassign(team_id=ONE),)), rule(2, actions=(Reassign(team_id=TWO),))]) == []
