"""Trying a calendar over HTTP."""

import asyncio
from typing import Any

import pytest

from domain.sla.calendars import DAYS
from tests.api.front import Front, places, problem, some_id

PATH = "/api/sla/preview"
OFFICE = {"timeZone": "UTC", "week": dict.fromkeys(("MON", "TUE", "WED", "THU", "FRI"), (("09:00", "17:00"),))}
MONDAY, TUESDAY, WEDNESDAY = "2026-03-02", "2026-03-03", "2026-03-04"


def trial(**fields: Any) -> dict[str, Any]:
    return {"calendar": OFFICE, "targetMinutes": 480, "startedAt": f"{MONDAY}T16:00:00Z", **fields}


async def tried(api: Front, body: dict[str, Any], who: str = "agent") -> dict[str, Any]:
    response = await api.call(who, "POST", PATH, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_calendar_that_is_written_out_can_be_tried(api: Front) -> None:
    answer = await tried(api, trial(calendar={"name": "Any", **OFFICE}))
    assert answer == {
        "deadlineAt": f"{TUESDAY}T16:00:00Z",
        "segments": [
            {"from": f"{MONDAY}T16:00:00Z", "until": f"{MONDAY}T17:00:00Z", "state": "RUNNING", "seconds": 3600},
            {"from": f"{MONDAY}T17:00:00Z", "until": f"{TUESDAY}T09:00:00Z", "state": "CLOSED", "seconds": 57600},
            {"from": f"{TUESDAY}T09:00:00Z", "until": f"{TUESDAY}T16:00:00Z", "state": "RUNNING", "seconds": 25200},
        ],
        "truncated": False,
    }


async def test_a_pause_counts_where_it_is_open_and_one_after_the_deadline_does_not(api: Front) -> None:
    pauses = [
        {"from": f"{TUESDAY}T10:00:00Z", "until": f"{TUESDAY}T12:00:00+01:00"},
        {"from": f"{TUESDAY}T16:30:00Z", "until": f"{WEDNESDAY}T09:30:00Z"},
        {"from": "2026-06-01T00:00:00Z", "until": "2026-06-02T00:00:00Z"},
    ]
    answer = await tried(api, trial(pauses=pauses))
    assert answer["deadlineAt"] == f"{WEDNESDAY}T10:00:00Z"
    states = [(segment["state"], segment["seconds"] / 60) for segment in answer["segments"]]
    assert states == [
        *(("RUNNING", 60), ("CLOSED", 960), ("RUNNING", 60), ("PAUSED", 60), ("RUNNING", 330)),
        *(("PAUSED", 30), ("CLOSED", 960), ("PAUSED", 30), ("RUNNING", 30)),
    ]


async def test_a_calendar_that_there_is_can_be_tried_in_the_accounts_zone(api: Front) -> None:
    body = {"name": "To try", "week": {"MON": [["09:00", "17:00"]], "TUE": [["09:00", "17:00"]]}, "country": "DE-BY"}
    calendar = (await api.created("lead", "/api/sla/calendars", body))["id"]
    # The 6th of January 2026, a Tuesday, is Epiphany in Bavaria.
    trial = {"calendarId": calendar, "targetMinutes": 481, "startedAt": "2026-01-05T00:00:00Z"}
    assert (await tried(api, trial))["deadlineAt"] == "2026-01-12T09:01:00Z"
    berlin = await tried(api, {**trial, "timeZone": "Europe/Berlin"})
    assert berlin["deadlineAt"] == "2026-01-12T08:01:00Z"
    assert [segment["state"] for segment in berlin["segments"]] == ["CLOSED", "RUNNING", "CLOSED", "RUNNING"]
    with_own_zone = {"timeZone": "Europe/Berlin", "calendar": OFFICE}
    assert (await tried(api, trial | with_own_zone | {"calendarId": None}))["deadlineAt"] == "2026-01-06T09:01:00Z"


async def test_exactly_one_calendar_is_tried(api: Front) -> None:
    both = trial(calendarId=some_id())
    neither = {name: value for name, value in trial().items() if name != "calendar"}
    for body in (both, neither, {**neither, "calendar": None, "calendarId": None}):
        refused = problem(await api.call("agent", "POST", PATH, json=body), 422, "invalid")
        assert places(refused) == {"/calendar", "/calendarId"}


async def test_a_calendar_of_nobody_or_of_another_tenant_is_refused(api: Front) -> None:
    foreign = (await api.call("otherAdmin", "GET", "/api/sla/calendars")).json()["data"][0]["id"]
    for unknown in (some_id(), foreign):
        body = trial(calendar=None, calendarId=unknown)
        refused = problem(await api.call("agent", "POST", PATH, json=body), 422, "unknown-reference")
        assert places(refused) == {"/calendarId"}


def pause(since: str, until: str) -> dict[str, str]:
    return {"from": since, "until": until}


AT_NINE, AT_TEN, AT_ELEVEN = (f"{TUESDAY}T{hour}:00:00Z" for hour in ("09", "10", "11"))
WRONG: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a pause that ends before it starts": ({"pauses": [pause(AT_TEN, AT_NINE)]}, {"/pauses/0"}),
    "a pause of nothing": ({"pauses": [pause(AT_TEN, AT_TEN)]}, {"/pauses/0"}),
    "a pause before the start": ({"pauses": [pause(f"{MONDAY}T15:59:59Z", AT_TEN)]}, {"/pauses/0"}),
    "overlapping pauses": ({"pauses": [pause(AT_NINE, AT_ELEVEN), pause(AT_TEN, AT_ELEVEN)]}, {"/pauses/1"}),
    "a pause for ages": ({"pauses": [pause(AT_TEN, "2046-01-01T00:00:00Z")]}, {"/pauses/0/until"}),
    "a pause without end": ({"pauses": [{"from": AT_TEN}]}, {"/pauses/0/until"}),
    "a naive pause": ({"pauses": [pause(f"{TUESDAY}T10:00:00", AT_ELEVEN)]}, {"/pauses/0/from"}),
    "too many pauses": ({"pauses": [pause(AT_TEN, AT_ELEVEN)] * 101}, {"/pauses"}),
    "before the epoch": ({"startedAt": "1969-12-31T23:59:59Z"}, {"/startedAt"}),
    "the end of time": ({"startedAt": "9999-12-31T23:59:59Z"}, {"/startedAt"}),
    "a naive start": ({"startedAt": f"{MONDAY}T16:00:00"}, {"/startedAt"}),
    "no target": ({"targetMinutes": 0}, {"/targetMinutes"}),
    "a zone that is none": ({"timeZone": "Mars/Olympus"}, {"/timeZone"}),
    "a calendar that never opens": ({"calendar": {"week": {"MON": []}}}, {"/calendar/week"}),
    "neither calendar nor target": (
        {"calendar": None, "targetMinutes": 0},
        {"/calendar", "/calendarId", "/targetMinutes"},
    ),
    "two calendars and no target": (
        {"calendarId": some_id(), "targetMinutes": 0},
        {"/calendar", "/calendarId", "/targetMinutes"},
    ),
    "all at once": (
        {
            "calendar": {"week": {"MON": [["09:00", "12:00"], ["10:00", "17:00"]]}, "country": "XX"},
            "targetMinutes": -1,
            "pauses": [pause(AT_TEN, AT_NINE), pause(AT_TEN, AT_ELEVEN), pause(AT_TEN, AT_ELEVEN)],
            "calender": {},
        },
        {"/calendar/week/MON/1", "/calendar/country", "/targetMinutes", "/pauses/0", "/pauses/2", "/calender"},
    ),
}


@pytest.mark.parametrize(("fields", "wrong"), WRONG.values(), ids=WRONG)
async def test_what_cannot_be_tried_is_refused_with_its_place(
    api: Front, fields: dict[str, Any], wrong: set[str]
) -> None:
    refused = problem(await api.call("agent", "POST", PATH, json=trial(**fields)), 422, "invalid")
    assert places(refused) == wrong


async def test_a_target_that_is_never_reached_is_refused(api: Front) -> None:
    seldom = {"week": {"MON": [["09:00", "09:01"]]}}
    refused = await api.call("agent", "POST", PATH, json=trial(calendar=seldom, targetMinutes=1_000))
    assert places(problem(refused, 422, "too-far")) == {"/targetMinutes"}
    assert (await tried(api, trial(calendar=seldom, targetMinutes=500)))["deadlineAt"] > "2035"


async def test_the_last_start_that_is_taken_has_a_deadline(api: Front) -> None:
    late = trial(startedAt="2900-01-01T00:00:00Z", targetMinutes=527_040, pauses=[])
    always = {"timeZone": "UTC", "week": dict.fromkeys(OFFICE["week"] | {"SAT": 0, "SUN": 0}, (("00:00", "24:00"),))}
    assert (await tried(api, late | {"calendar": always}))["deadlineAt"] == "2901-01-02T00:00:00Z"


async def test_a_long_promise_on_many_short_windows_says_that_there_is_more_than_it_tells(api: Front) -> None:
    week = {key: [[f"{hour:02}:00", f"{hour:02}:06"] for hour in range(24)] for key in DAYS}
    answer = await tried(api, trial(calendar={"timeZone": "UTC", "week": week}, targetMinutes=500_000))
    assert (answer["deadlineAt"][:4], len(answer["segments"]), answer["truncated"]) == ("2035", 1_000, True)


async def test_trials_are_counted_one_after_the_other_and_wait_without_a_connection(api: Front) -> None:
    services = api.app.state.services
    async with asyncio.timeout(20):
        await services.trials.acquire()
        try:
            waiting = [asyncio.create_task(tried(api, trial())) for _ in range(services.settings.db_pool_size + 5)]
            done, _ = await asyncio.wait(waiting, timeout=0.3)
            assert not done
            assert (await api.call("agent", "GET", "/api/sla/calendars")).status_code == 200
        finally:
            services.trials.release()
        assert len(await asyncio.gather(*waiting)) == len(waiting)


async def test_agents_may_try_and_customers_may_not(api: Front) -> None:
    problem(await api.call("customer", "POST", PATH, json=trial()), 403, "role-too-low")
