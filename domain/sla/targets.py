"""What each tier promises for each severity when a tenant begins: the seeded calendars and the matrix of targets."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from domain.customers import Tier
from domain.sla.calendars import DAYS, Calendar
from domain.sla.clocks import ClockKind
from domain.tickets.model import Severity

BUSINESS_HOURS: Final = "Business hours"
EXTENDED_HOURS: Final = "Extended hours"
ROUND_THE_CLOCK: Final = "Round the clock"

CALENDARS: Final[Mapping[str, Calendar]] = {
    BUSINESS_HOURS: Calendar(week=dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))),
    EXTENDED_HOURS: Calendar(week=dict.fromkeys(DAYS[:5], (("07:00", "19:00"),))),
    ROUND_THE_CLOCK: Calendar(time_zone="UTC", week=dict.fromkeys(DAYS, (("00:00", "24:00"),))),
}
"""The hours of the guide's support tiers, "local time" being that of the customer's account."""

HOURS_OF: Final[Mapping[Tier, str]] = {
    Tier.BASIC: BUSINESS_HOURS,
    Tier.PROFESSIONAL: EXTENDED_HOURS,
    Tier.ENTERPRISE: ROUND_THE_CLOCK,
    Tier.PREMIUM: ROUND_THE_CLOCK,
}

MINUTES: Final[Mapping[Tier, tuple[tuple[int, int], ...]]] = {
    Tier.BASIC: ((480, 2400), (480, 2400), (480, 2400), (480, 2400)),
    Tier.PROFESSIONAL: ((240, 1440), (240, 1440), (240, 1440), (240, 1440)),
    Tier.ENTERPRISE: ((60, 1440), (60, 1440), (240, 2880), (240, 2880)),
    Tier.PREMIUM: ((15, 240), (60, 1440), (240, 2880), (240, 2880)),
}
"""First response and resolution for SEV1 to SEV4, in minutes of the tier's calendar.

The tier's own promise where it names the severity, else that of the severity, and never worse than a lower tier's (guide: Support
Tiers, SLA Tracking; P0 and P1 are SEV1, P2 is SEV2). A day is one of the calendar: 24 h from 9 to 17 are 480 minutes.
"""

LONGEST_MINUTES: Final = 527_040
"""A leap year round the clock."""


class Promise(NamedTuple):
    """One cell of the matrix."""

    tier: Tier
    severity: Severity
    kind: ClockKind
    minutes: int
    calendar: str


def seeded() -> Iterator[Promise]:
    """Every promise that a new tenant makes. NEXT_RESPONSE is off until somebody defines a target for it."""
    for tier, cells in MINUTES.items():
        for severity, (response, resolution) in zip(Severity, cells, strict=True):
            yield Promise(tier, severity, ClockKind.FIRST_RESPONSE, response, HOURS_OF[tier])
            yield Promise(tier, severity, ClockKind.RESOLUTION, resolution, HOURS_OF[tier])
