"""Service credits: what a broken promise is worth to the customer, by how far it was overrun, and never more than the month's cap."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Final

from domain.customers import decimals
from domain.process import Frozen
from domain.sla.calendars import Fault

WHOLE: Final = Decimal(100)
MOST_STEPS: Final = 10
MOST_MINUTES: Final = 527_040


class Step(Frozen):
    """From so many business minutes of overrun on (0 is the breach itself) so many percent of the monthly fee are due."""

    overrun_minutes: int
    percent: Decimal

    @property
    def overrun(self) -> timedelta:
        """The overrun as business time."""
        return timedelta(minutes=self.overrun_minutes)


class CreditRule(Frozen):
    """What a definition grants for a breach; `cap_percent` of the fee is the most that an account gets in a calendar month (UTC)."""

    steps: tuple[Step, ...]
    cap_percent: Decimal = WHOLE


def faults(rule: CreditRule) -> Iterator[Fault]:
    """All that is wrong with a rule; pointers are within it."""
    if not 1 <= len(rule.steps) <= MOST_STEPS:
        yield Fault("/steps", "count", f"must be 1 to {MOST_STEPS}")
    if not 0 < rule.cap_percent <= WHOLE:
        yield Fault("/capPercent", "out_of_range", "must be more than 0 and at most 100")
    for index, step in enumerate(rule.steps):
        if not 0 <= step.overrun_minutes <= MOST_MINUTES:
            yield Fault(f"/steps/{index}/overrunMinutes", "out_of_range", f"must lie between 0 and {MOST_MINUTES}")
        if not 0 < step.percent <= rule.cap_percent:
            yield Fault(f"/steps/{index}/percent", "out_of_range", "must be more than 0 and at most the cap")
    for index, (before, after) in enumerate(pairwise(rule.steps), start=1):
        if after.overrun_minutes <= before.overrun_minutes or after.percent <= before.percent:
            yield Fault(f"/steps/{index}", "order", "must come later and grant more than the step before")


def share(percent: Decimal, fee: Decimal, currency: str) -> Decimal:
    """So many percent of a monthly fee, rounded half up to what the currency can hold."""
    return _rounded(fee * percent / WHOLE, currency)


def _rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP)


def credit_of(rule: CreditRule, overrun: timedelta, fee: Decimal, currency: str) -> Decimal:
    """What a breach is worth by the highest step that its overrun has reached; nothing below the first one."""
    percent = max((step.percent for step in rule.steps if overrun >= step.overrun), default=Decimal())
    return share(percent, fee, currency)


def cap_of(rule: CreditRule | None, fee: Decimal, currency: str) -> Decimal:
    """The most that an account gets in a month; without a rule its monthly fee."""
    return share(rule.cap_percent if rule else WHOLE, fee, currency)


def left_of(rule: CreditRule | None, fee: Decimal, currency: str, given: Decimal) -> Decimal:
    """What is left under the month's cap when so much was given already."""
    return _rounded(max(cap_of(rule, fee, currency) - given, Decimal()), currency)


def month_of(breached_at: datetime) -> datetime:
    """The first instant of the calendar month (UTC) whose cap a breach counts against."""
    return breached_at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
