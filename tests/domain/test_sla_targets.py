"""The seeded promises against what the guide says."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from domain.customers import Tier
from domain.sla.calendars import faults
from domain.sla.clocks import ClockKind
from domain.sla.targets import CALENDARS, HOURS_OF, seeded
from domain.sla.timetable import Timetable
from domain.tickets.model import Severity

TIERS = sorted(Tier, key=lambda tier: tier.rank)
DAY, WEEK, MONTH = 1440, 7 * 1440, 30 * 1440
BY_SEVERITY = {
    Severity.SEV1: (15, 240),
    Severity.SEV2: (60, DAY),
    Severity.SEV3: (240, WEEK),
    Severity.SEV4: (DAY, MONTH),
}
BY_TIER = {
    Tier.BASIC: dict.fromkeys(Severity, (480, 5 * 480)),  # a day and seven days, from 9 to 17
    Tier.PROFESSIONAL: dict.fromkeys(Severity, (240, 2 * 720)),  # four hours and two days, from 7 to 19
    Tier.ENTERPRISE: dict.fromkeys((Severity.SEV1, Severity.SEV2), (60, DAY)),
    Tier.PREMIUM: {Severity.SEV1: (15, 240)},
}
"""As the guide writes them."""

FOUND = {(promise.tier, promise.severity, promise.kind): promise.minutes for promise in seeded()}


def test_the_matrix_follows_from_the_guide() -> None:
    """The tier's word, else the severity's, and no higher tier is worse than a lower one (days of 12 h become days of 24)."""
    best = dict.fromkeys(Severity, (MONTH, MONTH))
    for tier in TIERS:
        for severity in Severity:
            response, resolution = BY_TIER[tier].get(severity, BY_SEVERITY[severity])
            if tier.rank >= Tier.ENTERPRISE.rank:
                response, resolution = min(response, best[severity][0]), min(resolution, best[severity][1])
            found = (FOUND[tier, severity, ClockKind.FIRST_RESPONSE], FOUND[tier, severity, ClockKind.RESOLUTION])
            assert found == (response, resolution), (tier, severity)
            worth = 2 if tier is Tier.PROFESSIONAL else 1
            best[severity] = (response, resolution * worth) if tier is not Tier.BASIC else best[severity]


def test_a_higher_tier_is_never_due_later() -> None:
    monday = datetime(2025, 6, 9, 10, tzinfo=UTC)
    for severity in Severity:
        for kind in (ClockKind.FIRST_RESPONSE, ClockKind.RESOLUTION):
            dues = [
                Timetable(CALENDARS[HOURS_OF[tier]]).after(monday, timedelta(minutes=FOUND[tier, severity, kind]))
                for tier in TIERS
            ]
            assert all(higher <= lower for lower, higher in pairwise(dues)), (severity, kind)


def test_the_seeded_calendars_can_be_used() -> None:
    assert not any(faults(calendar) for calendar in CALENDARS.values())
    assert ClockKind.NEXT_RESPONSE not in {promise.kind for promise in seeded()}
