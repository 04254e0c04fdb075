"""What a person wants of us: channels, quiet hours, and how pages reach them."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field

from domain.process import Channel, Frozen
from domain.sla.timetable import instant, wall_instant

PERSONAL: Final = (Channel.EMAIL, Channel.IN_APP, Channel.SLACK)
"""The channels on which a person can be reached."""

URGENT: Final = frozenset({"page"})
"""Templates that reach a person at once and everywhere, whatever the person prefers."""

SEEN_TO: Final = URGENT | frozenset(
    {"escalated", "sla_warning", "sla_breached", "customer_replied", "ticket_absorbed", "answer_undelivered"}
)
"""What somebody must see to, whoever that is."""

DIRECT: Final = URGENT | frozenset({"invitation", "password_reset", "digest"})
"""Templates that are never held back: neither by quiet hours nor for a digest."""


class QuietHours(Frozen):
    """From when until when a person is not to be disturbed, in wall time of the zone; may cross midnight."""

    time_zone: str
    starts: time
    ends: time


class PageRule(Frozen):
    """How long after a page began this channel is tried too; kept for on-call, pages go everywhere at once until then."""

    channel: Channel
    delay_minutes: Annotated[int, Field(ge=0)] = 0


class Preferences(Frozen):
    """A person's preferences, with what holds for those who have none."""

    channels: tuple[Channel, ...] = (Channel.IN_APP, Channel.EMAIL)
    quiet_hours: QuietHours | None = None
    page_rules: tuple[PageRule, ...] = ()
    slack_url: str | None = None


def read_preferences(stored: Mapping[str, Any]) -> Preferences:
    """Preferences as the database holds them; what an earlier release wrote and this one does not know is dropped."""
    return Preferences.model_validate({name: stored[name] for name in Preferences.model_fields if name in stored})


def channels_for(template: str, preferences: Preferences) -> tuple[Channel, ...]:
    """Where a person is told of this: everywhere when it is urgent, else where the person wants it."""
    if template in URGENT:
        return PERSONAL if preferences.slack_url else (Channel.EMAIL, Channel.IN_APP)
    wanted = [channel for channel in PERSONAL if channel in preferences.channels]
    return tuple(channel for channel in wanted if channel is not Channel.SLACK or preferences.slack_url)


def quiet_until(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """When the quiet hours end that hold at `now` (aware UTC); None outside of them.

    Where clocks change they begin at the first and end at the last occurrence of their wall times; one that the clock skips
    is the first instant after the gap.
    """
    if quiet is None or quiet.starts == quiet.ends:
        return None
    zone = ZoneInfo(quiet.time_zone)
    today = now.astimezone(zone).date()
    nights = timedelta(days=1 if quiet.starts > quiet.ends else 0)
    for day in (today - timedelta(days=1), today):
        start = instant(wall_instant(zone, datetime.combine(day, quiet.starts), last=False))
        end = instant(wall_instant(zone, datetime.combine(day + nights, quiet.ends), last=True))
        if start <= now < end:
            return end
    return None
