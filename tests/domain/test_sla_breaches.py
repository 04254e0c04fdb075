"""What may be done about a breach, and how much may be credited."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sla.breaches import (
    AlreadyDone,
    BadCredit,
    BreachAction,
    BreachAnnulled,
    BreachCredited,
    BreachWaived,
    Done,
    Purse,
    granted,
    may,
    overrun,
    proposed,
)
from domain.sla.calendars import DAYS, Calendar
from domain.sla.credits import CreditRule, Step, cap_of, credit_of, left_of, month_of
from domain.sla.timetable import Timetable

AT = datetime(2025, 6, 11, 12, tzinfo=UTC)
RULE = CreditRule(
    steps=(Step(overrun_minutes=0, percent=Decimal(5)), Step(overrun_minutes=60, percent=Decimal("12.5"))),
    cap_percent=Decimal(25),
)
OFFICE = Timetable(Calendar(time_zone="UTC", week=dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))))


def done(action: BreachAction) -> dict[BreachAction, Done]:
    return {action: Done(action=action, at=AT, actor_id=UUID(int=1), actor_name="Lea")}


def purse(given_so_far: str = "0", currency: str = "EUR", rule: CreditRule | None = RULE) -> Purse:
    return Purse(currency=currency, fee=Decimal(1000), rule=rule, given=Decimal(given_so_far))


@pytest.mark.parametrize("action", BreachAction)
def test_each_is_done_once(action: BreachAction) -> None:
    may(action, {}, annulled=False)
    with pytest.raises(AlreadyDone):
        may(action, done(action), annulled=False)


def test_a_waived_breach_is_not_credited_and_a_credited_one_not_waived() -> None:
    with pytest.raises(BreachWaived):
        may(BreachAction.CREDIT, done(BreachAction.WAIVE), annulled=False)
    with pytest.raises(BreachWaived):
        may(BreachAction.CREDIT, {}, annulled=False, waived=True)
    with pytest.raises(BreachCredited):
        may(BreachAction.WAIVE, done(BreachAction.CREDIT), annulled=False)


def test_an_annulled_breach_is_only_acknowledged() -> None:
    may(BreachAction.ACKNOWLEDGE, {}, annulled=True)
    for action in (BreachAction.CREDIT, BreachAction.WAIVE):
        with pytest.raises(BreachAnnulled):
            may(action, {}, annulled=True)


def test_a_credit_is_at_most_what_is_left_of_the_cap() -> None:
    assert granted(Decimal(100), None, purse("150")) == Decimal("100.00")
    with pytest.raises(BadCredit) as refused:
        granted(Decimal("100.01"), "EUR", purse("150"))
    assert refused.value.extra["left"] == "100.00"


def test_all_that_is_wrong_with_a_credit_is_told() -> None:
    with pytest.raises(BadCredit) as refused:
        granted(Decimal("1000.5"), "USD", purse(currency="JPY"))
    assert [(error["pointer"], error["code"]) for error in refused.value.extra["errors"]] == [
        ("/currency", "currency"),
        ("/amount", "decimals"),
        ("/amount", "cap"),
    ]


def test_without_a_rule_the_fee_is_the_cap() -> None:
    assert cap_of(None, Decimal(1000), "EUR") == Decimal("1000.00")
    assert left_of(None, Decimal(1000), "EUR", Decimal("1200")) == Decimal("0.00")


def test_the_highest_step_that_was_reached_stands() -> None:
    fee = Decimal("99.99")
    found = [credit_of(RULE, timedelta(minutes=minutes), fee, "EUR") for minutes in (0, 59, 60, 6000)]
    assert found == [Decimal("5.00"), Decimal("5.00"), Decimal("12.50"), Decimal("12.50")]


def test_a_proposal_is_cut_to_what_is_left() -> None:
    latest = {"amount": Decimal("125.000"), "currency": "EUR", "percent": "12.5"}
    assert proposed(latest, purse("150")) == {**latest, "amount": Decimal("100.00")}
    assert proposed(latest, purse("0")) == {**latest, "amount": Decimal("125.00")}
    assert proposed(None, purse()) is None


def test_an_overrun_is_business_time_and_goes_on_while_the_clock_does() -> None:
    target, friday = timedelta(hours=1), datetime(2025, 6, 13, 16, tzinfo=UTC)
    monday = datetime(2025, 6, 16, 10, tzinfo=UTC)
    assert overrun(timedelta(minutes=90), None, target, OFFICE, monday) == timedelta(minutes=30)
    assert overrun(timedelta(minutes=30), friday, target, OFFICE, monday) == timedelta(minutes=90)
    assert overrun(timedelta(minutes=30), None, target, OFFICE, monday) == timedelta()


def test_a_month_is_one_of_utc() -> None:
    late = datetime.fromisoformat("2025-07-01T01:30:00+02:00")
    assert month_of(late) == datetime(2025, 6, 1, tzinfo=UTC)


@given(st.lists(st.decimals(Decimal("0.01"), Decimal(300), places=2), max_size=30))
def test_no_row_of_credits_exceeds_the_cap(amounts: list[Decimal]) -> None:
    total = Decimal()
    for amount in amounts:
        left = purse(str(total)).left
        if amount <= left:
            total += granted(amount, None, purse(str(total)))
        else:
            with pytest.raises(BadCredit):
                granted(amount, None, purse(str(total)))
    assert total <= Decimal(250)
