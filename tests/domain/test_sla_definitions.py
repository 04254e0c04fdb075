"""Whether a higher tier is served at least as well as a lower one, and how long a promise lasts on average."""

from datetime import timedelta

import pytest

from domain.customers import Tier
from domain.sla.calendars import DAYS, Hours
from domain.sla.clocks import ClockKind
from domain.sla.definitions import Inversion, Rung, inversions, mean_wait
from domain.sla.targets import CALENDARS, seeded
from domain.tickets.model import Severity

ALWAYS = ((("00:00", "24:00"),),) * 7
OFFICE = ((("09:00", "17:00"),),) * 5 + ((),) * 2


def week(calendar: str) -> tuple[Hours, ...]:
    return tuple(CALENDARS[calendar].week.get(day, ()) for day in DAYS)


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("kind", [ClockKind.FIRST_RESPONSE, ClockKind.RESOLUTION])
def test_the_guides_tiers_are_a_ladder(severity: Severity, kind: ClockKind) -> None:
    rungs = [
        Rung(promise.tier, promise.minutes, week(promise.calendar))
        for promise in seeded()
        if (promise.severity, promise.kind) == (severity, kind)
    ]
    assert [rung.tier for rung in rungs] == list(Tier)
    assert [found for tier in Tier for found in inversions(tier, rungs)] == []


def test_round_the_clock_a_promise_lasts_as_long_as_it_says() -> None:
    assert mean_wait(90, ALWAYS) == timedelta(minutes=90)
    assert mean_wait(7 * 1440, ALWAYS) == timedelta(days=7)
    assert mean_wait(527_040, ALWAYS) == timedelta(minutes=527_040)


def test_a_week_of_business_time_lasts_a_week_and_never_less() -> None:
    a_week = mean_wait(5 * 480, OFFICE)
    assert timedelta(days=6) < a_week <= timedelta(days=7)
    assert mean_wait(10 * 480, OFFICE) == a_week + timedelta(days=7)


def test_the_same_minutes_take_longer_where_it_is_closed() -> None:
    assert mean_wait(60, OFFICE) > mean_wait(240, ALWAYS)
    found = inversions(Tier.PREMIUM, [Rung(Tier.PREMIUM, 60, OFFICE), Rung(Tier.BASIC, 240, ALWAYS)])
    assert list(found) == [Inversion(Tier.PREMIUM, Tier.BASIC, mean_wait(60, OFFICE), timedelta(hours=4))]


def test_an_inversion_is_told_of_either_tier_and_of_no_other() -> None:
    rungs = [Rung(Tier.BASIC, 30, ALWAYS), Rung(Tier.PROFESSIONAL, 60, ALWAYS), Rung(Tier.ENTERPRISE, 30, ALWAYS)]
    [below] = [found for found in inversions(Tier.BASIC, rungs) if found.wait]
    [above] = [found for found in inversions(Tier.PROFESSIONAL, rungs) if found.wait]
    assert below == above == Inversion(Tier.PROFESSIONAL, Tier.BASIC, timedelta(hours=1), timedelta(minutes=30))
    assert not [found for found in inversions(Tier.ENTERPRISE, rungs) if found.wait]


def test_a_higher_tier_without_a_promise_is_served_worse() -> None:
    rungs = [Rung(Tier.PROFESSIONAL, 30, ALWAYS)]
    assert [found.higher for found in inversions(Tier.PROFESSIONAL, rungs)] == [Tier.ENTERPRISE, Tier.PREMIUM]
    assert [found.lower for found in inversions(Tier.PREMIUM, rungs)] == [Tier.PROFESSIONAL]
    assert list(inversions(Tier.BASIC, rungs)) == []
