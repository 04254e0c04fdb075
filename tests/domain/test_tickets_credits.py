"""A broken promise proposes its credit, step by step of the overrun, each at its instant."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from domain.sla.credits import CreditRule, Step, faults, month_of, share
from domain.tickets.clocks import breach_id
from domain.tickets.model import Status
from domain.tickets.standing import SlaState, standing
from tests.domain.promises import LAST, Life, at_percent, policy, terms, when

STEPS = [(0, "5"), (60, "10"), (240, "25")]


def life(fee: int = 1000, **how: object) -> Life:
    return Life.begun(terms(policy({LAST: 60}, steps=STEPS), fee=fee), when("09:00"), **how)  # type: ignore[arg-type]


def proposed(one: Life) -> list[tuple[int, str, str]]:
    """Step, amount and time of day of each proposal."""
    entries = [entry for d in one.decisions for entry in (d.changes["credits"].after if "credits" in d.changes else [])]
    return [(entry["step"], entry["amount"], entry["at"][11:16]) for entry in entries]


def test_each_step_is_proposed_at_its_instant() -> None:
    one = life()
    one.live(when("20:00"))
    assert proposed(one) == [(1, "50.00", "10:00"), (2, "100.00", "11:00"), (3, "250.00", "14:00")]
    assert [(template, to) for template, to, _ in one.told()] == [("credit_proposed", "role:LEAD")] * 3
    assert one.decisions[-1].deadlines == ()


def test_a_worker_that_was_away_proposes_the_highest_step_reached() -> None:
    one = life()
    one.wake(when("12:00"))
    assert proposed(one) == [(2, "100.00", "11:00")]
    one.live(when("20:00"))
    assert proposed(one)[1:] == [(3, "250.00", "14:00")]


def test_a_promise_kept_late_proposes_no_more() -> None:
    one = life()
    one.live(when("10:30"))
    one.move(Status.RESOLVED, when("10:40"))
    one.live(when("20:00"))
    assert proposed(one) == [(1, "50.00", "10:00")]


def test_waiting_for_the_customer_adds_no_overrun() -> None:
    one = life()
    one.live(when("10:30"))
    one.move(Status.PENDING_CUSTOMER, when("10:30"))
    one.ask(when("12:30"))
    one.live(when("20:00"))
    assert proposed(one) == [(1, "50.00", "10:00"), (2, "100.00", "13:00"), (3, "250.00", "16:00")]


@pytest.mark.parametrize("how", [{"fee": 0}, {"account": False}])
def test_nothing_is_proposed_to_those_who_pay_nothing(how: dict[str, object]) -> None:
    one = life(**how)  # type: ignore[arg-type]
    one.live(when("20:00"))
    assert proposed(one) == []


def broken(one: Life) -> UUID:
    return breach_id(one.ticket, one.clock(LAST))


def test_a_waived_breach_is_worth_nothing_more_and_wakes_nobody() -> None:
    one = life()
    one.live(when("10:30"))
    one.terms = replace(one.terms, waived=frozenset({broken(one)}))
    one.wake(when("10:31"))
    assert one.clock(LAST).waived
    assert one.decisions[-1].deadlines == ()
    # The row of a ticket that stands well is not read for what was done about its breaches.
    one.terms = replace(one.terms, waived=frozenset())
    one.live(when("20:00"))
    assert proposed(one) == [(1, "50.00", "10:00")]


def test_a_credited_breach_is_proposed_no_more() -> None:
    one = life()
    one.live(when("10:30"))
    one.terms = replace(one.terms, credited=frozenset({broken(one)}))
    one.wake(when("10:31"))
    one.live(when("20:00"))
    assert proposed(one) == [(1, "50.00", "10:00")]


def test_a_waived_breach_escalates_no_further_and_the_ticket_stands_well() -> None:
    of = terms(policy({LAST: 60}, rules=[at_percent(100), at_percent(200)]))
    one = Life.begun(of, when("09:00"))
    one.live(when("10:10"))
    one.terms = replace(of, waived=frozenset({broken(one)}))
    one.wake(when("10:11"))
    one.live(when("20:00"))
    assert [rung[2] and rung[2][-1] for rung in one.told()] == ["1"]
    assert standing(one.ticket, one.decisions[-1].deadlines).sla_standing is SlaState.OK


@pytest.mark.parametrize(
    ("granted", "amounts"),
    [("0", ["50.00", "100.00", "250.00"]), ("900", ["50.00", "100.00", "100.00"]), ("1000", [])],
)
def test_a_proposal_is_cut_to_what_the_month_has_left(granted: str, amounts: list[str]) -> None:
    one = life()
    one.terms = replace(one.terms, granted={month_of(when("10:00")): Decimal(granted)})
    one.live(when("20:00"))
    assert [amount for _, amount, _ in proposed(one)] == amounts
    assert len(one.told()) == len(amounts)
    assert one.ticket.credits == len(STEPS)


def rule(*steps: tuple[int, str], cap: str = "50") -> CreditRule:
    return CreditRule(
        steps=tuple(Step(overrun_minutes=at, percent=Decimal(percent)) for at, percent in steps),
        cap_percent=Decimal(cap),
    )


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        (rule((0, "5"), (60, "10")), []),
        (rule(), ["/steps"]),
        (rule((0, "5"), cap="0"), ["/capPercent", "/steps/0/percent"]),
        (rule((-1, "5")), ["/steps/0/overrunMinutes"]),
        (rule((0, "60")), ["/steps/0/percent"]),
        (rule((60, "5"), (60, "6")), ["/steps/1"]),
        (rule((0, "10"), (60, "5")), ["/steps/1"]),
    ],
)
def test_what_is_wrong_with_a_credit_rule(given: CreditRule, pointers: list[str]) -> None:
    assert [fault.pointer for fault in faults(given)] == pointers


@pytest.mark.parametrize(
    ("percent", "fee", "currency", "amount"),
    [
        ("5", "999.99", "USD", "50.00"),
        ("12.5", "1001", "JPY", "125"),
        ("33.333", "10", "KWD", "3.333"),
        ("0.5", "1", "EUR", "0.01"),
    ],
)
def test_a_share_is_rounded_half_up_to_what_the_currency_holds(
    percent: str, fee: str, currency: str, amount: str
) -> None:
    assert str(share(Decimal(percent), Decimal(fee), currency)) == amount
