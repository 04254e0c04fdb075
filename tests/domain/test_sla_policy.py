"""A tenant's policy: what is promised to whom, by which calendar, and what a breach of it is worth."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import ValidationError
from pydantic_core import to_json

from domain.customers import Tier
from domain.sla.calendars import DAYS
from domain.sla.clocks import ClockKind, Target
from domain.sla.escalation import Condition, Notify
from domain.sla.policy import SlaPolicy
from domain.tickets.model import Severity

OFFICE, ALWAYS, RESPONSE, RESOLUTION, RULE = (UUID(int=number) for number in range(1, 6))
MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)

DOCUMENT = {
    "calendars": [
        {
            "id": OFFICE,
            "version": 2,
            "name": "Office",
            "time_zone": None,
            "week": {"MON": [["09:00", "17:00"]], "TUE": [["09:00", "17:00"]]},
            "holidays": [{"date": "2026-01-12", "windows": [["09:00", "10:00"]]}],
            "country": "DE-BY",
        },
        {
            "id": ALWAYS,
            "version": 1,
            "name": "Always",
            "time_zone": "Europe/Paris",
            "week": dict.fromkeys(DAYS, (("00:00", "24:00"),)),
            "holidays": [],
            "country": None,
        },
    ],
    "definitions": [
        {
            "id": RESPONSE,
            "version": 3,
            "tier": "BASIC",
            "severity": "SEV1",
            "kind": "FIRST_RESPONSE",
            "target_minutes": 480,
            "calendar_id": OFFICE,
        }
    ],
    "credits": [
        {"id": RESPONSE, "version": 1, "credit": {"steps": [{"overrun_minutes": 0, "percent": "5"}]}},
        {
            "id": RESPONSE,
            "version": 3,
            "credit": {"steps": [{"overrun_minutes": 0, "percent": "7.5"}], "cap_percent": "50"},
        },
    ],
    "rules": [
        {
            "id": RULE,
            "version": 1,
            "name": "Half",
            "trigger": {"type": "CLOCK_PERCENT", "percent": 50},
            "condition": {"tiers": ["PREMIUM"]},
            "actions": [{"type": "NOTIFY", "to": "ASSIGNEE"}],
            "repeat": None,
        }
    ],
}
POLICY = SlaPolicy.model_validate_json(to_json(DOCUMENT))


def epiphany(country: str) -> Callable[[int], frozenset[date]]:
    assert country == "DE-BY"
    return lambda year: frozenset({date(year, 1, 6)})


def test_a_promise_is_found_by_tier_severity_and_kind() -> None:
    found = POLICY.target(Tier.BASIC, Severity.SEV1, ClockKind.FIRST_RESPONSE)
    assert found == Target(definition_id=RESPONSE, version=3, calendar_id=OFFICE, minutes=480)
    assert POLICY.target(Tier.BASIC, Severity.SEV1, ClockKind.NEXT_RESPONSE) is None
    assert POLICY.target(Tier.PREMIUM, Severity.SEV1, ClockKind.FIRST_RESPONSE) is None


def test_a_breach_is_credited_by_the_version_that_it_broke() -> None:
    first, third = POLICY.credit(RESPONSE, 1), POLICY.credit(RESPONSE, 3)
    assert first is not None
    assert third is not None
    assert (first.steps[0].percent, first.cap_percent) == (Decimal(5), Decimal(100))
    assert (third.steps[0].percent, third.cap_percent) == (Decimal("7.5"), Decimal(50))
    assert POLICY.credit(RESPONSE, 2) is None
    assert POLICY.credit(RESOLUTION, 1) is None


def test_rules_are_those_that_decisions_read() -> None:
    [rule] = POLICY.rules
    assert (rule.id, rule.version, rule.condition) == (RULE, 1, Condition(tiers=frozenset({Tier.PREMIUM})))
    assert rule.actions == (Notify(to="ASSIGNEE"),)


def test_a_calendar_without_a_zone_is_read_at_home_and_closed_on_public_holidays() -> None:
    day = timedelta(minutes=480)
    berlin = POLICY.timetables("Europe/Berlin", epiphany)[OFFICE]
    assert berlin.after(MONDAY, day) == datetime(2026, 1, 5, 16, tzinfo=UTC)
    # The 6th is Epiphany, and the 12th, a Monday, has an hour of its own.
    assert berlin.after(MONDAY, day + timedelta(minutes=90)) == datetime(2026, 1, 13, 8, 30, tzinfo=UTC)
    assert POLICY.timetables("UTC", epiphany)[OFFICE].after(MONDAY, day) == datetime(2026, 1, 5, 17, tzinfo=UTC)


def test_timetables_are_made_once_per_zone_and_shared_where_the_zone_does_not_matter() -> None:
    policy = SlaPolicy.model_validate_json(to_json(DOCUMENT))
    berlin, tokyo = (policy.timetables(zone, epiphany) for zone in ("Europe/Berlin", "Asia/Tokyo"))
    assert policy.timetables("Europe/Berlin", epiphany) is berlin
    assert berlin[OFFICE] is not tokyo[OFFICE]
    assert berlin[ALWAYS] is tokyo[ALWAYS]


def test_a_policy_without_anything_promises_nothing() -> None:
    empty = SlaPolicy.model_validate_json('{"calendars": [], "definitions": [], "credits": [], "rules": []}')
    assert empty.target(Tier.BASIC, Severity.SEV1, ClockKind.RESOLUTION) is None
    assert empty.timetables("UTC", epiphany) == {}
    assert empty.calendar(OFFICE) is None


def test_what_is_unknown_in_a_policy_is_not_passed_over() -> None:
    with pytest.raises(ValidationError):
        SlaPolicy.model_validate_json('{"rules": [], "roles": []}')


def test_a20_nothing_is_matched_ahead_of_the_promise_for_just_such_a_ticket() -> None:
    policy = SlaPolicy.model_validate_json(to_json(DOCUMENT))
    asked = [(tier, severity, kind) for tier in Tier for severity in Severity for kind in ClockKind]
    found = {each for each in asked if policy.target(*each)}
    assert found == {(Tier.BASIC, Severity.SEV1, ClockKind.FIRST_RESPONSE)}
