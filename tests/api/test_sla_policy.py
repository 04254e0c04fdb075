"""A tenant's policy as the worker reads it: what each tenant begins with, and when there is something new to read."""

from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from cli.demo import DemoSeed
from db.sla.policies import POLICY
from domain.sla.calendars import Calendar
from domain.sla.credits import faults as credit_faults
from domain.sla.escalation import ClockPercent, Created, Notify, Page, faults
from domain.sla.policy import SlaPolicy
from domain.sla.targets import CALENDARS, seeded
from tests.stack import Database


def read(database: Database, tenant: UUID, known: int | None = None) -> dict[str, Any]:
    """One read under the application's role."""
    with psycopg.connect(database.app.conninfo(), row_factory=dict_row) as connection:
        connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant),))
        row = connection.execute(POLICY.text, {"tenant": tenant, "known_sla_revision": known}).fetchone()
    assert row is not None
    return row


async def test_a_tenant_begins_with_the_guides_promises(postgres: Database, seed: DemoSeed) -> None:
    policy = SlaPolicy.model_validate_json(read(postgres, seed.other_tenant_id)["sla_policy"])
    for promise in seeded():
        target = policy.target(promise.tier, promise.severity, promise.kind)
        assert target is not None, promise
        calendar = policy.calendar(target.calendar_id)
        assert calendar is not None
        assert (target.minutes, calendar.name) == (promise.minutes, promise.calendar), promise
    assert len(policy.definitions) == len(list(seeded()))
    found = {each.name: Calendar(**each.model_dump(exclude={"id", "version", "name"})) for each in policy.calendars}
    assert found == dict(CALENDARS)


async def test_a_tenant_begins_with_credits_and_rules_that_are_fit(postgres: Database, seed: DemoSeed) -> None:
    policy = SlaPolicy.model_validate_json(read(postgres, seed.other_tenant_id)["sla_policy"])
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


async def test_a_policy_that_is_known_is_not_read_again(postgres: Database, seed: DemoSeed) -> None:
    row = read(postgres, seed.tenant_id)
    assert row["sla_policy"] is not None
    again = read(postgres, seed.tenant_id, row["sla_revision"])
    assert again == {"sla_revision": row["sla_revision"], "sla_policy": None}
    assert read(postgres, seed.tenant_id, row["sla_revision"] - 1)["sla_policy"] is not None
