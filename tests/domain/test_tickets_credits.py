"""A broken promise proposes its credit, step by step of the overrun, each at its instant."""

from decimal import Decimal

import pytest

from domain.sla.credits import CreditRule, Step, faults, share
from domain.tickets.model import Status
from tests.domain.promises import LAST, Life, policy, terms, when

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
