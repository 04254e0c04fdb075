"""Whom a notice is for, when people are quiet, how often it is tried, and what it says in a line."""

import ast
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import Role
from domain.notifications.attempts import DELAYS, HANDFUL, MOST, SPREAD, flood, next_attempt
from domain.notifications.events import EVENTS, PATTERNS
from domain.notifications.headlines import HEADLINES, LONGEST, headline, worded
from domain.notifications.preferences import Preferences, QuietHours, channels_for, quiet_until, read_preferences
from domain.notifications.recipients import Kind, Recipient, Unaddressable, read_recipient
from domain.process import Channel

SOMEBODY = UUID("0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (str(SOMEBODY), Recipient(Kind.PERSON, SOMEBODY)),
        ("a@b.example", Recipient(Kind.ADDRESS, address="a@b.example")),
        ("role:LEAD", Recipient(Kind.ROLE, role=Role.LEAD)),
        (f"team:{SOMEBODY}", Recipient(Kind.TEAM, SOMEBODY)),
        (f"lead:{SOMEBODY}", Recipient(Kind.LEAD, SOMEBODY)),
        ("lead:", Recipient(Kind.LEAD)),
        ("oncall:", Recipient(Kind.ONCALL)),
        (f"oncall:{SOMEBODY}", Recipient(Kind.ONCALL, SOMEBODY)),
    ],
)
def test_a_recipient_is_read_as_it_is_written(text: str, meant: Recipient) -> None:
    assert read_recipient(text) == meant


@pytest.mark.parametrize("text", ["", "x", "role:", "role:KING", "team:", "team:x", "lead:x", "person:1", ":"])
def test_what_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(Unaddressable):
        read_recipient(text)


NIGHT = QuietHours(time_zone="Europe/Paris", starts=time(22), ends=time(7))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (utc(2026, 1, 10, 20, 59), None),
        (utc(2026, 1, 10, 21, 0), utc(2026, 1, 11, 6)),
        (utc(2026, 1, 11, 2, 0), utc(2026, 1, 11, 6)),
        (utc(2026, 1, 11, 6, 0), None),
        # The night in which summer time begins is an hour shorter, the one in which it ends an hour longer.
        (utc(2026, 3, 28, 21, 0), utc(2026, 3, 29, 5)),
        (utc(2026, 10, 24, 20, 0), utc(2026, 10, 25, 6)),
    ],
)
def test_quiet_hours_follow_the_wall_clock_over_midnight(now: datetime, end: datetime | None) -> None:
    assert quiet_until(NIGHT, now) == end


def test_an_end_that_the_clock_skips_is_the_first_instant_after_the_gap() -> None:
    quiet = QuietHours(time_zone="America/New_York", starts=time(0), ends=time(2, 30))
    assert quiet_until(quiet, utc(2026, 3, 8, 6, 30)) == utc(2026, 3, 8, 7)


def test_an_end_that_comes_twice_is_its_last_occurrence() -> None:
    quiet = QuietHours(time_zone="America/New_York", starts=time(0), ends=time(1, 30))
    for minutes in (0, 45, 89):
        now = utc(2026, 11, 1, 5) + timedelta(minutes=minutes)
        assert quiet_until(quiet, now) == utc(2026, 11, 1, 6, 30)


def test_without_quiet_hours_or_with_empty_ones_nothing_waits() -> None:
    assert quiet_until(None, NOW) is None
    assert quiet_until(QuietHours(time_zone="UTC", starts=time(7), ends=time(7)), NOW) is None


@given(
    st.timedeltas(timedelta(0), timedelta(days=2000)),
    st.times(),
    st.times(),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_what_is_held_back_goes_out_within_a_day_and_a_bit_and_is_not_held_again(
    later: timedelta, starts: time, ends: time, zone: str
) -> None:
    now = utc(2024, 1, 1) + later
    end = quiet_until(QuietHours(time_zone=zone, starts=starts, ends=ends), now)
    if end is not None:
        assert now < end <= now + timedelta(hours=26)


def test_a_person_is_told_where_the_person_wants_and_of_a_page_everywhere() -> None:
    chat = "https://chat.example/x"
    assert channels_for("escalated", Preferences()) == (Channel.EMAIL, Channel.IN_APP)
    assert channels_for("escalated", Preferences(channels=(Channel.SLACK, Channel.EMAIL))) == (Channel.EMAIL,)
    assert channels_for("escalated", Preferences(channels=(Channel.SLACK,), slack_url=chat)) == (Channel.SLACK,)
    assert channels_for("escalated", Preferences(channels=())) == ()
    assert channels_for("page", Preferences(channels=())) == (Channel.EMAIL, Channel.IN_APP)
    assert channels_for("page", Preferences(channels=(), slack_url=chat)) == (
        Channel.EMAIL,
        Channel.IN_APP,
        Channel.SLACK,
    )


def test_preferences_survive_being_stored() -> None:
    wanted = Preferences(channels=(Channel.EMAIL,), quiet_hours=NIGHT, slack_url="https://chat.example")
    assert read_preferences(wanted.model_dump(mode="json")) == wanted
    assert read_preferences({}) == Preferences()


def test_a_delivery_is_tried_for_a_day_ever_more_seldom() -> None:
    assert sum(DELAYS, timedelta()) == timedelta(days=1)
    assert sorted(DELAYS) == list(DELAYS)
    waits = [next_attempt(attempts, NOW, 0.0) for attempts in range(1, MOST + 1)]
    assert waits == [*(NOW + delay for delay in DELAYS), None]


@given(st.integers(1, MOST - 1), st.floats(0, 1))
def test_chance_lengthens_a_pause_by_a_tenth_at_most(attempts: int, jitter: float) -> None:
    again = next_attempt(attempts, NOW, jitter)
    assert again is not None
    assert DELAYS[attempts - 1] <= again - NOW <= DELAYS[attempts - 1] * (1 + SPREAD)


def test_a_handful_goes_out_one_by_one() -> None:
    assert flood(waiting=HANDFUL, recent=0) == "SEND"
    assert flood(waiting=HANDFUL + 1, recent=0) == "DIGEST"
    assert flood(waiting=1, recent=HANDFUL) == "HOLD"


def test_a_headline_is_one_short_line_with_the_number_in_front() -> None:
    assert (
        headline("ticket_reply", {"number": 7, "subject": "a\r\nBcc: b\u2028\x1b[31m c"}) == "[SUP-7] a Bcc: b [31m c"
    )
    assert headline("sla_warning", {"number": 7, "clock": "FIRST_RESPONSE", "percent": 75, "subject": "S"}) == (
        "[SUP-7] First response has used 75 % of its time: S"
    )
    assert len(headline("ticket_reply", {"subject": "x" * 1000})) == LONGEST
    assert headline("digest", {"count": 3}) == "3 notifications"


@pytest.mark.parametrize("template", HEADLINES)
def test_a_headline_can_be_made_without_any_fact(template: str) -> None:
    assert headline(template, {}).isprintable()


OF_RECORDS = {"ticket.rated"}
"""What is announced by the API's own transactions; tests of those records listen to it."""


def test_every_event_of_the_product_can_be_asked_for() -> None:
    said: set[str] = set()
    for path in Path("domain/tickets").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "announce"
            )
            if called:
                said |= strings(node.args[0])  # type: ignore[attr-defined]
            if isinstance(node, ast.Assign) and "happened" in {getattr(name, "id", "") for name in node.targets}:
                said |= strings(node.value)
    assert {f"ticket.{happened}" for happened in said} | OF_RECORDS == EVENTS.keys()
    assert {"*", "ticket.*", *EVENTS} == set(PATTERNS)


def strings(node: ast.expr) -> set[str]:
    """The texts that an expression can be."""
    if isinstance(node, ast.IfExp):
        return strings(node.body) | strings(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_only_constants_are_reworded() -> None:
    assert (worded("NEXT_RESPONSE"), worded("a_b"), worded(None), worded(75)) == ("Next response", "a_b", "", "75")
