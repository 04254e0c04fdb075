"""How promises were kept: what counts, what does not, and in which group."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from db.compliance import STATEMENTS
from db.statements import DIALECT
from domain.customers import Tier
from domain.sla.compliance import GroupBy
from tests.api.front import Front, places, problem
from tests.api.records import Records

PATH = "/api/sla/metrics"
HOUR = timedelta(hours=1)


@pytest.fixture
def records(api: Front) -> Records:
    return Records(api.settings.postgres, api.seed.tenant_id)


def month(number: int, year: int = 2011) -> datetime:
    """The first of a month in which only the test at hand has written."""
    return datetime(year, number, 1, tzinfo=UTC)


async def asked(api: Front, start: datetime, days: int = 28, who: str = "agent", **query: Any) -> dict[str, Any]:
    bounds = {"from": start.isoformat(), "to": (start + timedelta(days=days)).isoformat()}
    response = await api.call(who, "GET", PATH, params=bounds | query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_d30_open_breaches_count_against_compliance(api: Front, records: Records) -> None:
    start = month(1)
    records.clock(records.ticket(start), start)
    records.breach(records.ticket(start), start, ended=None, met=None)
    found = await asked(api, start)
    assert (found["responseCompliance"], found["totalBreaches"]) == (50.0, 1)
    assert found["resolutionCompliance"] is None
    assert found["groups"] == []


async def test_without_anything_to_keep_there_is_no_compliance(api: Front) -> None:
    found = await asked(api, month(1, 1999))
    nothing = {
        "responseCompliance",
        "nextResponseCompliance",
        "resolutionCompliance",
        "responseComplianceExcludingWaived",
        "nextResponseComplianceExcludingWaived",
        "resolutionComplianceExcludingWaived",
        "medianResponseSeconds",
        "p90ResponseSeconds",
        "medianResolutionSeconds",
        "p90ResolutionSeconds",
        "satisfaction",
        "groupBy",
    }
    assert {name for name, value in found.items() if value is None} == nothing
    assert (found["totalBreaches"], found["waivedBreaches"], found["credits"]) == (0, 0, [])


async def test_cancelled_and_annulled_ones_do_not_count(api: Front, records: Records) -> None:
    start = month(2)
    records.clock(records.ticket(start), start)
    records.clock(records.ticket(start), start, state="CANCELLED", waived=True)
    records.breach(records.ticket(start), start, state="ANNULLED")
    found = await asked(api, start)
    assert (found["responseCompliance"], found["totalBreaches"]) == (100.0, 0)


async def test_a_cycle_belongs_to_the_period_of_its_deadline(api: Front, records: Records) -> None:
    start, end = month(3), month(3) + timedelta(days=10)
    records.clock(records.ticket(start), end - HOUR)
    assert (await asked(api, start, 10))["responseCompliance"] is None, "due at the end, which is not in the period"
    records.clock(records.ticket(start), start - HOUR)
    assert (await asked(api, start, 10))["responseCompliance"] == 100.0
    records.breach(records.ticket(start), end - 2 * HOUR)
    assert (await asked(api, start, 10))["responseCompliance"] == 50.0


async def test_a_promise_kept_while_its_clock_was_paused_counts_when_it_was_kept(api: Front, records: Records) -> None:
    start = month(4)
    records.clock(records.ticket(start), start, kind="RESOLUTION", deadline=None)
    assert (await asked(api, start))["resolutionCompliance"] == 100.0


async def test_waived_breaches_are_shown_both_ways(api: Front, records: Records) -> None:
    start = month(5)
    for _ in range(2):
        records.clock(records.ticket(start), start)
        records.clock(records.ticket(start), start, kind="RESOLUTION")
        records.clock(records.ticket(start), start, kind="NEXT_RESPONSE")
    records.action(records.breach(records.ticket(start), start), "WAIVE")
    records.breach(records.ticket(start), start, kind="RESOLUTION")
    records.action(records.breach(records.ticket(start), start, kind="NEXT_RESPONSE"), "WAIVE")
    records.breach(records.ticket(start), start, kind="NEXT_RESPONSE")
    found = await asked(api, start)
    assert (found["responseCompliance"], found["responseComplianceExcludingWaived"]) == (66.67, 100.0)
    assert (found["resolutionCompliance"], found["resolutionComplianceExcludingWaived"]) == (66.67, 66.67)
    assert (found["nextResponseCompliance"], found["nextResponseComplianceExcludingWaived"]) == (50.0, 66.67)
    assert (found["totalBreaches"], found["waivedBreaches"]) == (4, 2)


async def test_next_responses_are_told_apart_from_first_ones(api: Front, records: Records) -> None:
    start = month(6)
    ticket = records.ticket(start)
    records.clock(ticket, start)
    records.clock(ticket, start, kind="NEXT_RESPONSE")
    records.breach(ticket, start, kind="NEXT_RESPONSE", cycle=2)
    found = await asked(api, start)
    assert (found["responseCompliance"], found["nextResponseCompliance"], found["totalBreaches"]) == (100.0, 50.0, 1)


async def test_dollars_are_not_added_to_euros(api: Front, records: Records) -> None:
    start = month(7)
    breaches = [records.breach(records.ticket(start), start) for _ in range(3)]
    records.action(breaches[0], "CREDIT", "10.50", "USD")
    records.action(breaches[1], "CREDIT", "1.25", "USD")
    one = await asked(api, start)
    assert (one["creditTotal"], one["credits"]) == ("11.75", [{"currency": "USD", "amount": "11.75"}])
    records.action(breaches[2], "CREDIT", "900", "JPY")
    both = await asked(api, start)
    assert both["creditTotal"] is None
    assert both["credits"] == [{"currency": "JPY", "amount": "900"}, {"currency": "USD", "amount": "11.75"}]


async def test_times_are_those_of_the_tickets_created_in_the_period(api: Front, records: Records) -> None:
    start = month(8)
    for minutes in (10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110):
        at = start + timedelta(minutes=minutes)
        records.ticket(start, responded=at, resolved=at + HOUR, status="RESOLVED")
    records.ticket(start)
    records.ticket(start - HOUR, responded=start + HOUR)
    found = await asked(api, start)
    assert (found["medianResponseSeconds"], found["p90ResponseSeconds"]) == (3600.0, 6000.0)
    assert (found["medianResolutionSeconds"], found["p90ResolutionSeconds"]) == (7200.0, 9600.0)


async def test_times_between_two_tickets_are_told_to_the_millisecond(api: Front, records: Records) -> None:
    start = month(2, 2010)
    for seconds in (0.1, 0.2, 1 / 3):
        at = start + timedelta(seconds=seconds)
        records.ticket(start, responded=at, resolved=at, status="RESOLVED")
    found = await asked(api, start)
    assert (found["medianResponseSeconds"], found["p90ResponseSeconds"]) == (0.2, 0.307)
    assert found["p90ResolutionSeconds"] == 0.307


async def test_a_response_that_came_before_its_ticket_took_no_time(api: Front, records: Records) -> None:
    start = month(1, 2010)
    records.ticket(start, responded=start - HOUR)
    assert (await asked(api, start))["medianResponseSeconds"] == 0.0


async def test_groups_are_told_apart(api: Front, records: Records) -> None:
    start, team = month(9), api.seed.teams["Engineering"]
    rich = records.ticket(start, tier="PREMIUM", severity="SEV1", category="Billing", team=team, responded=start + HOUR)
    records.clock(rich, start)
    poor = records.ticket(start, tier="BASIC", severity="SEV4")
    records.action(records.breach(poor, start), "CREDIT", "5", "USD")

    async def grouped(by: str) -> list[tuple[Any, ...]]:
        names = ("key", "label", "responseCompliance", "totalBreaches", "creditTotal", "medianResponseSeconds")
        return [tuple(each[name] for name in names) for each in (await asked(api, start, groupBy=by))["groups"]]

    kept, late = (100.0, 0, "0", 3600.0), (0.0, 1, "5.00", None)
    assert await grouped("tier") == [("BASIC", "BASIC", *late), ("PREMIUM", "PREMIUM", *kept)]
    assert await grouped("severity") == [("SEV1", "SEV1", *kept), ("SEV4", "SEV4", *late)]
    assert await grouped("category") == [("Billing", "Billing", *kept), (None, None, *late)]
    assert await grouped("team") == [(str(team), "Engineering", *kept), (None, None, *late)]


async def test_months_are_those_of_the_deadline(api: Front, records: Records) -> None:
    start = month(10)
    records.clock(records.ticket(start), start)
    records.breach(records.ticket(start), month(11) - timedelta(minutes=30))
    groups = (await asked(api, start, 60, groupBy="month"))["groups"]
    found = [(each["key"], each["responseCompliance"]) for each in groups]
    assert found == [("2011-10", 100.0), ("2011-11", 0.0)]


async def test_by_default_it_is_the_last_thirty_days(api: Front) -> None:
    found = (await api.call("agent", "GET", PATH)).json()
    since, until = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
    assert until - since == timedelta(days=30)
    assert abs(datetime.now(UTC) - until) < HOUR


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2016-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    ],
)
async def test_a_period_that_ends_before_it_starts_or_is_too_long_is_refused(api: Front, query: dict[str, str]) -> None:
    document = problem(await api.call("agent", "GET", PATH, params=query), 422, "bad-period")
    assert places(document) == {"from", "to"}


async def test_every_bad_parameter_is_named(api: Front) -> None:
    query = {"from": "yesterday", "to": "2026-01-01T00:00:00", "groupBy": "mood"}
    document = problem(await api.call("agent", "GET", PATH, params=query), 422, "invalid")
    assert places(document) == {"from", "to", "groupBy"}


@pytest.mark.parametrize("by", [None, *GroupBy])
async def test_only_the_periods_clocks_are_read(api: Front, by: GroupBy | None) -> None:
    with psycopg.connect(api.settings.postgres.conninfo()) as connection:
        connection.execute("select set_config('summit.tenant', %s, true)", (str(api.seed.tenant_id),))
        connection.execute("set local enable_seqscan = off")
        statement = STATEMENTS[by][0].bindparams(since=month(1), until=month(2))
        compiled = statement.compile(dialect=DIALECT)
        plan = connection.execute(f"explain {compiled}".encode(), compiled.params).fetchall()
    [condition] = [line for (line,) in plan if "judged_at >=" in line]
    assert "Index Cond" in condition, "under row-level security too"


async def test_another_tenant_sees_nothing_of_it(api: Front, records: Records) -> None:
    start = month(12)
    records.breach(records.ticket(start, account=api.seed.accounts[Tier.PREMIUM]), start)
    found = await asked(api, start, who="otherAdmin")
    assert (found["totalBreaches"], found["responseCompliance"]) == (0, None)
    problem(await api.call("customer", "GET", PATH), 403, "role-too-low")
