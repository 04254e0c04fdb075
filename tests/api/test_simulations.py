"""Simulations over HTTP: asked for, run in a process of their own, and what comes out."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.sla.clocks import ClockKind
from tests.api.front import Front, places, problem, some_id
from tests.api.records import Records

PATH = "/api/sla/simulations"
TARGET = {"tier": "PREMIUM", "severity": "SEV1", "kind": "FIRST_RESPONSE", "targetMinutes": 15}
CALENDAR = {"week": {"MON": [["09:00", "17:00"]]}}


@pytest.fixture
def records(api: Front) -> Records:
    return Records(api.settings.postgres, api.seed.tenant_id)


def period(start: datetime, days: int = 28) -> dict[str, str]:
    return {"from": start.isoformat(), "to": (start + timedelta(days=days)).isoformat()}


async def simulated(api: Front, who: str = "lead", **body: Any) -> dict[str, Any]:
    """The result of a simulation."""
    response = await api.call(who, "POST", PATH, json=body)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/api/jobs/{response.json()['id']}"
    async with asyncio.timeout(60):
        while True:
            job = (await api.call(who, "GET", response.headers["location"])).json()
            if job["state"] in ("DONE", "FAILED"):
                break
            await asyncio.sleep(0.1)
    assert job["state"] == "DONE", job
    result: dict[str, Any] = job["result"]
    assert (job["done"], job["total"]) == (result["tickets"], result["tickets"])
    return result


async def test_a_tighter_target_is_tried_on_the_past(api: Front, records: Records) -> None:
    start = datetime(2014, 1, 6, tzinfo=UTC)
    account = await api.created(
        "lead", "/api/customers/accounts", {"name": "S", "tier": "PREMIUM", "monthlyFee": "1000"}
    )
    owner = UUID(account["id"])
    for minutes in (10, 30):
        ended = start + timedelta(minutes=minutes)
        records.clock(records.ticket(start, account=owner), start, ended=ended)
    records.breach(records.ticket(start, account=owner), start)
    records.clock(records.ticket(start - timedelta(days=1)), start - timedelta(days=1))
    result = await simulated(api, **period(start), definitions=[TARGET])
    credit = [{"currency": "USD", "amount": "50.00"}]
    before = {"responseCompliance": 66.67, "resolutionCompliance": None, "breaches": 1, "credits": credit}
    after = {"responseCompliance": 33.33, "breaches": 2, "credits": [{"currency": "USD", "amount": "100.00"}]}
    assert before.items() <= result["before"].items()
    assert after.items() <= result["after"].items()
    assert (result["tickets"], result["changed"]) == (3, {"cured": 0, "broken": 1})
    assert [(group["tier"], group["severity"]) for group in result["groups"]] == [("PREMIUM", "SEV1")]


async def test_other_hours_are_tried_on_the_past(api: Front, records: Records) -> None:
    monday = datetime(2014, 3, 3, tzinfo=UTC)
    ticket = records.ticket(monday)
    records.breach(ticket, monday, kind=ClockKind.RESOLUTION, minutes=120)
    [(calendar,)] = records.run("select calendar_id from sla_clocks where ticket_id = %s", (ticket,))
    result = await simulated(api, **period(monday), calendars=[{"id": str(calendar), "timeZone": "UTC", **CALENDAR}])
    assert (result["before"]["resolutionCompliance"], result["after"]["resolutionCompliance"]) == (0.0, 100.0)
    assert result["changed"] == {"cured": 1, "broken": 0}


async def test_nothing_in_the_period_gives_nothing(api: Front) -> None:
    result = await simulated(api, **period(datetime(1999, 1, 1, tzinfo=UTC)), definitions=[TARGET])
    assert (result["tickets"], result["groups"]) == (0, [])
    assert result["before"]["responseCompliance"] is None


async def test_another_tenants_past_is_not_simulated(api: Front, records: Records) -> None:
    start = datetime(2014, 5, 5, tzinfo=UTC)
    records.breach(records.ticket(start), start)
    assert (await simulated(api, "otherAdmin", **period(start), definitions=[TARGET]))["tickets"] == 0


async def test_a_repeat_under_the_same_key_is_the_same_job(api: Front) -> None:
    body = {**period(datetime(1999, 1, 1, tzinfo=UTC)), "definitions": [TARGET]}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = [await api.call("lead", "POST", PATH, json=body, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"


async def test_all_that_is_wrong_with_a_proposal_is_told(api: Front) -> None:
    body = {
        **period(datetime(2014, 1, 1, tzinfo=UTC)),
        "definitions": [TARGET, {**TARGET, "calendarId": some_id()}],
        "calendars": [{"id": some_id(), **CALENDAR}],
    }
    document = problem(await api.call("lead", "POST", PATH, json=body), 422, "bad-proposal")
    assert places(document) == {"/definitions/1", "/definitions/1/calendarId", "/calendars/0/id"}
    nothing = await api.call("lead", "POST", PATH, json=period(datetime(2014, 1, 1, tzinfo=UTC)))
    assert places(problem(nothing, 422, "bad-proposal")) == {"/definitions"}


async def test_a_calendar_that_contradicts_itself_is_refused_in_all_places(api: Front) -> None:
    calendar = {
        "id": some_id(),
        "week": {"MON": [["09:00", "09:00"]], "TUE": [["08:00", "23:59"]]},
        "holidays": [{"date": "2026-01-01"}, {"date": "2026-01-01"}],
        "country": "XX",
    }
    body = {
        **period(datetime(2014, 1, 1, tzinfo=UTC)),
        "definitions": [{**TARGET, "targetMinutes": 0}],
        "calendars": [calendar],
    }
    document = problem(await api.call("lead", "POST", PATH, json=body), 422, "invalid")
    inside = {"/week/MON/0", "/week/TUE/0", "/holidays/1/date", "/country"}
    assert places(document) == {"/definitions/0/targetMinutes", *(f"/calendars/0{place}" for place in inside)}


@pytest.mark.parametrize("days", [-1, 2000])
async def test_a_period_that_ends_before_it_starts_or_is_too_long_is_refused(api: Front, days: int) -> None:
    body = {**period(datetime(2014, 1, 1, tzinfo=UTC), days), "definitions": [TARGET]}
    document = problem(await api.call("lead", "POST", PATH, json=body), 422, "bad-period")
    assert places(document) == {"/from", "/to"}


async def test_agents_do_not_simulate(api: Front) -> None:
    body = {**period(datetime(2014, 1, 1, tzinfo=UTC)), "definitions": [TARGET]}
    problem(await api.call("agent", "POST", PATH, json=body), 403, "role-too-low")
