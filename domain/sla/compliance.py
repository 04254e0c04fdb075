"""How well promises were kept: met ÷ (met + breached), in percent, and null when there was nothing to keep."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.process import Invalid
from domain.sla.clocks import ClockKind

LONGEST: Final = timedelta(days=5 * 366)
"""Five years."""

USUAL: Final = timedelta(days=30)
"""What is reported when nobody names a period."""


class GroupBy(StrEnum):
    """By what the figures can be told apart; team and category are the ticket's, month is that of the deadline (UTC)."""

    TIER = "tier"
    SEVERITY = "severity"
    TEAM = "team"
    CATEGORY = "category"
    MONTH = "month"


class Period(NamedTuple):
    """From an instant until before another one."""

    since: datetime
    until: datetime


class BadPeriod(Invalid):
    """The period ends before it starts, or is longer than five years."""

    def __init__(self, detail: str, *where: dict[str, str]) -> None:
        super().__init__(f"The period {detail}.", [{**each, "code": "period", "detail": detail} for each in where])


def period(since: datetime | None, until: datetime | None, now: datetime, *where: dict[str, str]) -> Period:
    """The period that was asked for; by default it ends now and is 30 days long. Raises BadPeriod, which blames `where`."""
    until = until or now
    since = since if since is not None else _before(until)
    ordered(since, until, *where)
    if until - since > LONGEST:
        raise BadPeriod("is longer than five years", *where)
    return Period(since, until)


def ordered(since: datetime | None, until: datetime | None, *where: dict[str, str]) -> None:
    """Refuse a period that ends before it starts. Raises BadPeriod."""
    if since is not None and until is not None and until < since:
        raise BadPeriod("ends before it starts", *where)


def _before(until: datetime) -> datetime:
    try:
        return until - USUAL
    except OverflowError:
        return until


def percent(met: int, breached: int) -> float | None:
    """Met of all that were met or breached, in percent with two decimals; None for none."""
    return round(100 * met / (met + breached), 2) if met + breached else None


class Count(NamedTuple):
    """How many cycles were met, and how many breached, of which some were waived."""

    met: int = 0
    breached: int = 0
    waived: int = 0

    @property
    def compliance(self) -> float | None:
        """With waived breaches counted as what they are."""
        return percent(self.met, self.breached)

    @property
    def without_waived(self) -> float | None:
        """With waived breaches left out."""
        return percent(self.met, self.breached - self.waived)


NOTHING: Final = Count()

Counts = dict[ClockKind, Count]
