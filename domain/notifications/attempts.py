"""How often a delivery is tried, and when a flood of mail to one person becomes a digest."""

from datetime import datetime, timedelta
from typing import Final, Literal

DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 29_845)
)
"""Pauses between attempts; together a day, after which a delivery is given up."""

MOST: Final = len(DELAYS) + 1
"""Attempts that a delivery gets."""

SPREAD: Final = 0.1
"""By how much of itself a pause is lengthened at most, so that what failed together is not tried together."""


def next_attempt(attempts: int, now: datetime, jitter: float) -> datetime | None:
    """When to try again after `attempts` that failed (`jitter` from 0 to 1); None when enough has been tried."""
    if attempts >= MOST:
        return None
    return now + DELAYS[max(attempts, 1) - 1] * (1 + SPREAD * jitter)


HANDFUL: Final = 5
"""So many mails one by one to a member of the staff within the window; further ones are told together."""

WINDOW: Final = timedelta(seconds=60)


def flood(waiting: int, recent: int) -> Literal["SEND", "HOLD", "DIGEST"]:
    """What to do with a mail to one of the staff, while `waiting` wait (it among them) and `recent` went out within the window.

    Those who just got a handful get no more until the window has passed; what has gathered by then goes out as one.
    """
    if recent >= HANDFUL:
        return "HOLD"
    return "DIGEST" if waiting > HANDFUL else "SEND"
