"""A tenant's policy as the worker reads it: what each tenant begins with, and when there is something new to read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from db.engine import tenant_transaction
from db.sla.policies import POLICY
from db.versions import lock_policy
from domain.customers import Tier
from domain.sla.calendars import Calendar
from domain.sla.clocks import ClockKind, Target
from domain.sla.credits import CreditRule, Step
from domain.sla.credits import faults as credit_faults
from domain.sla.escalation import ClockPercent, Created, Notify, Page, faults
from domain.sla.policy import SlaPolicy
from domain.sla.targets import CALENDARS, seeded
from domain.tickets.model import Severity
from runtime.holidays import public_holidays
from runtime.settings import APP_ROLE
from tests.api.front import Front
from tests.stack import Database


def policy_of(connection: psycopg.Connection[Any], tenant: UUID, known: int | None = None) -> dict[str, Any]:
    """One read as the application's role would make it."""
    connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant),))
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(APP_ROLE)))
    row = connection.execute(POLICY.text, {"tenant": tenant, "known_sla_revision": known}).fetchone()
    connection.execute("reset role")
    assert row is not None
    return dict(row)


@pytest.fixture
def rows(postgres: Database) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that leaves nothing behind."""
    with psycopg.connect(postgres.owner.conninfo(), row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def newcomer(rows: psycopg.Connection[Any]) -> UUID:
    """A tenant that has just come."""
    row = rows.execute("insert into tenants (slug, name) values ('newcomer', 'Newcomer') returning id").fetchone()
    assert row is not None
    tenant: UUID = row["id"]
    return tenant


def test_a_tenant_begins_with_the_guides_promises(rows: psycopg.Connection[Any], newcomer: UUID) -> None:
    policy = SlaPolicy.model_validate_json(policy_of(rows, newcomer)["sla_policy"])
    for promise in seeded():
        target = policy.target(promise.tier, promise.severity, promise.kind)
        assert target is not None, promise
        calendar = policy.calendar(target.calendar_id)
        assert calendar is not None
        assert (target.minutes, calendar.name) == (promise.minutes, promise.calendar), promise
    assert len(policy.definitions) == len(list(seeded()))
    found = {each.name: Calendar(**each.model_dump(exclude={"id", "version", "name"})) for each in policy.calendars}
    assert found == dict(CALENDARS)


def test_lists_show_what_a_tenant_begins_with_in_the_order_of_the_guides_tables(
    rows: psycopg.Connection[Any], newcomer: UUID
) -> None:
    newest = "order by created_at desc, id desc"
    calendars = rows.execute(f"select name from sla_calendars where tenant_id = %s {newest}".encode(), (newcomer,))
    assert [row["name"] for row in calendars] == list(CALENDARS)
    promises = rows.execute(
        f"select tier, severity, kind from sla_definitions where tenant_id = %s {newest}".encode(), (newcomer,)
    )
    assert [tuple(row.values()) for row in promises] == [(each.tier, each.severity, each.kind) for each in seeded()]


def test_a_tenant_begins_with_credits_and_rules_that_are_fit(rows: psycopg.Connection[Any], newcomer: UUID) -> None:
    policy = SlaPolicy.model_validate_json(policy_of(rows, newcomer)["sla_policy"])
    assert policy.credits
    assert not [fault for each in policy.credits for fault in credit_faults(each.credit)]
    assert not [fault for rule in policy.rules for fault in faults(rule)]
    assert [rule.trigger for rule in policy.rules] == [
        *(ClockPercent(percent=percent) for percent in (50, 75, 90, 100)),
        Created(),
    ]
    assert [rule.actions[0] for rule in policy.rules][:3] == [
        Notify(to=whom) for whom in ("ASSIGNEE", "TEAM_LEAD", "ON_CALL")
    ]
    assert policy.rules[-1].actions == (Page(),)


def test_a_policy_that_is_known_is_not_read_again(rows: psycopg.Connection[Any], newcomer: UUID) -> None:
    row = policy_of(rows, newcomer)
    again = policy_of(rows, newcomer, row["sla_revision"])
    assert again == {"sla_revision": row["sla_revision"], "sla_policy": None}
    assert policy_of(rows, newcomer, row["sla_revision"] - 1) == row


async def test_a_policy_follows_what_is_written_and_keeps_what_breaches_are_worth(
    api: Front, rows: psycopg.Connection[Any]
) -> None:
    def policy() -> SlaPolicy:
        rows.rollback()
        return SlaPolicy.model_validate_json(policy_of(rows, api.seed.tenant_id)["sla_policy"])

    week = {"name": "Mondays", "timeZone": "Asia/Tokyo", "week": {"MON": [["09:00", "17:00"]]}, "country": "JP"}
    calendar = UUID((await api.created("lead", "/api/sla/calendars", week))["id"])
    promise = {"tier": "BASIC", "severity": "SEV3", "kind": "NEXT_RESPONSE", "calendarId": str(calendar)}
    credit = {"steps": [{"overrunMinutes": 0, "percent": "7.5"}]}
    made = await api.created("lead", "/api/sla/definitions", {**promise, "targetMinutes": 10, "credit": credit})
    path, definition = f"/api/sla/definitions/{made['id']}", UUID(made["id"])
    key = (Tier.BASIC, Severity.SEV3, ClockKind.NEXT_RESPONSE)
    assert policy().target(*key) == Target(definition_id=definition, version=1, calendar_id=calendar, minutes=10)
    tokyo = policy().timetables("UTC", public_holidays)[calendar]
    # Monday the 12th of October 2026 is Sports Day.
    assert tokyo.after(datetime(2026, 10, 11, tzinfo=UTC), timedelta()) == datetime(2026, 10, 19, tzinfo=UTC)
    await api.call("lead", "PUT", path, json={"targetMinutes": 20, "calendarId": str(calendar)})
    assert policy().target(*key) == Target(definition_id=definition, version=2, calendar_id=calendar, minutes=20)
    await api.call("lead", "DELETE", path)
    await api.call("lead", "DELETE", f"/api/sla/calendars/{calendar}")
    assert policy().target(*key) is None
    assert policy().calendar(calendar) is not None
    assert [policy().credit(definition, version) for version in (1, 2, 3)] == [
        CreditRule(steps=(Step(overrun_minutes=0, percent=Decimal("7.5")),)),
        None,
        None,
    ]


async def test_a_writer_of_policy_holds_up_other_writers_and_no_decision(api: Front, postgres: Database) -> None:
    """What a decision inserts refers to its tenant, and so locks the tenant's key."""
    tenant = (api.seed.other_tenant_id,)
    async with tenant_transaction(api.app.state.services.engine, api.seed.other_tenant_id) as writer:
        await lock_policy(writer)
        with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as other:
            assert other.execute("select 1 from tenants where id = %s for key share nowait", tenant).fetchone() == (1,)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("select 1 from tenants where id = %s for no key update nowait", tenant)
