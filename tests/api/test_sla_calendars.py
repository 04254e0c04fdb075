"""Business calendars over HTTP."""

import asyncio
from typing import Any

import pytest

from db.engine import tenant_transaction
from db.settings import find_settings
from tests.api.front import Front, places, problem, some_id

PATH = "/api/sla/calendars"
NINE_TO_FIVE = {"MON": [["09:00", "17:00"]]}


def calendar(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "timeZone": "Europe/Berlin", "week": NINE_TO_FIVE, **fields}


async def revision(api: Front) -> int:
    """By what the workers know whether the policy is another one."""
    async with tenant_transaction(api.app.state.services.engine, api.seed.tenant_id) as connection:
        return int((await find_settings(connection))["sla_revision"])


async def test_a_calendar_is_added_read_and_found(api: Front) -> None:
    body: dict[str, Any] = {
        "name": " Munich ",
        "timeZone": None,
        "week": {"MON": [["09:00", "12:30"], ["13:00", "17:00"]], "FRI": [["22:00", "06:00"]], "SUN": []},
        "holidays": [{"date": "2026-12-24", "windows": [["09:00", "12:00"]]}, {"date": "2026-12-31"}],
        "country": "DE-BY",
    }
    before = await revision(api)
    added = await api.created("lead", PATH, body)
    told = {**body, "name": "Munich", "holidays": [*body["holidays"][:1], {"date": "2026-12-31", "windows": []}]}
    assert {name: added[name] for name in body} == told
    assert list(added["week"]) == ["MON", "FRI", "SUN"]
    assert (added["version"], added["active"], added["supersededAt"]) == (1, True, None)
    assert added["authorId"] == str(api.seed.users["lead"])
    found = await api.call("agent", "GET", f"{PATH}/{added['id']}")
    assert found.json() == added
    assert found.headers["etag"] == '"v1"'
    assert (await api.call("agent", "GET", PATH)).json()["data"][0] == added
    assert await revision(api) == before + 1


async def test_every_tenant_begins_with_the_guides_calendars(api: Front) -> None:
    found = (await api.call("otherAdmin", "GET", PATH)).json()["data"]
    assert {each["name"] for each in found} == {"Business hours", "Extended hours", "Round the clock"}


async def test_a_change_is_the_next_version_and_the_last_one_stays(api: Front) -> None:
    first = await api.created("lead", PATH, calendar("Paris"))
    path = f"{PATH}/{first['id']}"
    changed = await api.call("lead", "PUT", path, json=calendar("Lyon", timeZone="Europe/Paris"))
    assert changed.status_code == 200
    second = changed.json()
    assert changed.headers["etag"] == '"v2"'
    assert (second["name"], second["version"], second["createdAt"]) == ("Lyon", 2, first["createdAt"])
    assert (await api.call("agent", "GET", path)).json() == second
    versions = (await api.call("agent", "GET", f"{path}/versions")).json()["data"]
    assert versions == [second, {**first, "supersededAt": second["updatedAt"]}]
    page = (await api.call("agent", "GET", f"{path}/versions", params={"limit": 1})).json()
    assert page["data"] == [second]
    rest = await api.call("agent", "GET", f"{path}/versions", params={"cursor": page["page"]["nextCursor"]})
    assert rest.json() == {"data": versions[1:], "page": {"nextCursor": None, "hasMore": False}}


async def test_a_change_of_nothing_makes_no_version(api: Front) -> None:
    body = calendar("Same", holidays=[{"date": "2026-12-24", "windows": []}])
    path = f"{PATH}/{(await api.created('lead', PATH, body))['id']}"
    before = await revision(api)
    same = await api.call("lead", "PUT", path, json=body, headers={"If-Match": '"v1"'})
    assert same.headers["etag"] == '"v1"'
    assert await revision(api) == before


async def test_of_two_changes_to_one_version_the_second_is_refused(api: Front) -> None:
    path = f"{PATH}/{(await api.created('lead', PATH, calendar('Contested')))['id']}"
    answers = await asyncio.gather(
        *(
            api.call("lead", "PUT", path, json=calendar("Contested", timeZone=zone), headers={"If-Match": '"v1"'})
            for zone in ("Europe/Rome", "Europe/Oslo")
        )
    )
    taken, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (taken.status_code, taken.json()["version"]) == (200, 2)
    assert problem(refused, 412, "stale")["currentVersion"] == 2
    assert (await api.call("agent", "GET", path)).json() == taken.json()


async def test_a_name_belongs_to_one_calendar_in_force(api: Front) -> None:
    first = await api.created("lead", PATH, calendar("Taken"))
    assert places(problem(await api.call("lead", "POST", PATH, json=calendar("Taken")), 409, "name-taken")) == {"/name"}
    other = await api.created("lead", PATH, calendar("Free"))
    refused = await api.call("lead", "PUT", f"{PATH}/{other['id']}", json=calendar("Taken"))
    assert places(problem(refused, 409, "name-taken")) == {"/name"}
    assert (await api.call("agent", "GET", f"{PATH}/{other['id']}")).json() == other
    assert (await api.call("lead", "DELETE", f"{PATH}/{first['id']}")).status_code == 204
    await api.created("lead", PATH, calendar("Taken"))
    problem(await api.call("lead", "PUT", f"{PATH}/{first['id']}", json=calendar("Taken")), 409, "name-taken")
    await api.created("otherAdmin", PATH, calendar("Taken"))


async def test_a_calendar_that_has_ended_is_kept_and_can_come_back(api: Front) -> None:
    body = calendar("Fleeting")
    path = f"{PATH}/{(await api.created('lead', PATH, body))['id']}"
    problem(await api.call("lead", "DELETE", path, headers={"If-Match": '"v7"'}), 412, "stale")
    gone = await api.call("lead", "DELETE", path, headers={"If-Match": '"v1"'})
    assert (gone.status_code, gone.content) == (204, b"")
    ended = (await api.call("agent", "GET", path)).json()
    assert (ended["version"], ended["active"]) == (2, False)
    assert (await api.call("lead", "DELETE", path)).status_code == 204
    assert (await api.call("agent", "GET", path)).json() == ended
    listed = (await api.call("agent", "GET", PATH, params={"limit": 100})).json()["data"]
    assert ended["id"] not in {each["id"] for each in listed}
    gone_ones = (await api.call("agent", "GET", PATH, params={"active": False, "limit": 100})).json()["data"]
    assert ended in gone_ones
    back = (await api.call("lead", "PUT", path, json=body)).json()
    assert (back["version"], back["active"]) == (3, True)


async def test_a_calendar_that_definitions_count_by_cannot_end(api: Front) -> None:
    listed = (await api.call("agent", "GET", PATH, params={"limit": 100})).json()["data"]
    [used] = [each for each in listed if each["name"] == "Extended hours"]
    refused = problem(await api.call("lead", "DELETE", f"{PATH}/{used['id']}"), 409, "calendar-in-use")
    assert len(refused["definitions"]) == 8
    assert (await api.call("agent", "GET", f"{PATH}/{used['id']}")).json() == used


WRONG_HOURS = {
    "closed all week": ({}, {"/week"}),
    "closed every day": ({"MON": [], "SUN": []}, {"/week"}),
    "overlapping": ({"MON": [["09:00", "12:00"], ["11:59", "17:00"]]}, {"/week/MON/1"}),
    "past midnight into the next": ({"MON": [["22:00", "06:00"]], "TUE": [["05:00", "09:00"]]}, {"/week/TUE"}),
    "empty": ({"MON": [["09:00", "09:00"]]}, {"/week/MON/0"}),
    "a minute short": ({"MON": [["00:00", "23:59"]]}, {"/week/MON/0"}),
    "opens at the end": ({"MON": [["24:00", "06:00"]]}, {"/week/MON/0"}),
    "no times": ({"MON": [["9", "25:00"]], "TUE": [["09:00", "17:00:00"]]}, {"/week/MON/0", "/week/TUE/0"}),
    "an unknown day": ({"MON": [["09:00", "17:00"]], "DAY": []}, {"/week/DAY"}),
    "an unknown day among bad ones": (
        {"MON": [["09:00", "12:00"], ["11:59", "17:00"]], "TUE": [["12:00", "12:00"]], "WED": 1, "FOO": []},
        {"/week/MON/1", "/week/TUE/0", "/week/WED", "/week/FOO"},
    ),
    "an unknown day alone": ({"FOO": []}, {"/week/FOO"}),
    "no pairs": ({"MON": [["09:00"]], "TUE": "09:00"}, {"/week/MON/0/1", "/week/TUE"}),
    "too many": (
        {"MON": [[f"{hour:02}:00", f"{hour:02}:30"] for hour in range(24)] + [["23:40", "23:50"]]},
        {"/week/MON"},
    ),
}


@pytest.mark.parametrize(("week", "wrong"), WRONG_HOURS.values(), ids=WRONG_HOURS)
async def test_hours_that_cannot_be_kept_are_refused_with_their_places(api: Front, week: Any, wrong: set[str]) -> None:
    refused = await api.call("lead", "POST", PATH, json=calendar("Never", week=week))
    assert places(problem(refused, 422, "invalid")) == wrong
    listed = (await api.call("agent", "GET", PATH, params={"limit": 100})).json()["data"]
    assert "Never" not in {each["name"] for each in listed}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "utc+1", 1, "../../etc/passwd"])
async def test_an_unknown_zone_is_refused(api: Front, zone: object) -> None:
    refused = await api.call("lead", "POST", PATH, json=calendar("Z", timeZone=zone))
    assert places(problem(refused, 422, "invalid")) == {"/timeZone"}


@pytest.mark.parametrize("country", ["XX", "DE-XX", "Germany", "de", "", 49])
async def test_a_country_without_known_holidays_is_refused(api: Front, country: object) -> None:
    refused = await api.call("lead", "POST", PATH, json=calendar("C", country=country))
    assert places(problem(refused, 422, "invalid")) == {"/country"}


async def test_everything_that_is_wrong_with_a_calendar_is_told_at_once(api: Front) -> None:
    body = {
        "name": " ",
        "timeZone": "Mars/Olympus",
        "week": {"MON": [["09:00", "12:00"], ["10:00", "11:00"]], "TUE": [["12:00", "12:00"]]},
        "holidays": [
            {"date": "2026-12-25", "windows": [["09:00", "23:59"]]},
            {"date": "2026-12-25"},
            {"date": "2026-12-26", "windows": [["09:00", "12:00"], ["11:00", "13:00"]]},
        ],
        "country": "XX",
        "open": True,
    }
    wrong = {
        *("/name", "/timeZone", "/week/MON/1", "/week/TUE/0", "/holidays/0/windows/0", "/holidays/1/date"),
        *("/holidays/2/windows/1", "/country", "/open"),
    }
    refused = problem(await api.call("lead", "POST", PATH, json=body), 422, "invalid")
    assert places(refused) == wrong
    assert all(error["detail"] for error in refused["errors"])
    changed = await api.call("lead", "PUT", f"{PATH}/{some_id()}", json=body)
    assert places(problem(changed, 422, "invalid")) == wrong


@pytest.mark.parametrize("day", ["2026-02-30", "tomorrow", 20261224, "2026-12-24T00:00:00Z"])
async def test_a_holiday_is_a_date(api: Front, day: object) -> None:
    refused = await api.call("lead", "POST", PATH, json=calendar("H", holidays=[{"date": day}]))
    assert places(problem(refused, 422, "invalid")) == {"/holidays/0/date"}


async def test_the_windows_of_a_holiday_are_judged_although_another_one_is_no_date(api: Front) -> None:
    holidays = [{"date": "tomorrow"}, {"date": "2026-12-24", "windows": [["09:00", "12:00"], ["11:00", "13:00"]]}]
    refused = await api.call("lead", "POST", PATH, json=calendar("H", holidays=holidays))
    assert places(problem(refused, 422, "invalid")) == {"/holidays/0/date", "/holidays/1/windows/1"}


async def test_a_repeated_creation_adds_one_calendar(api: Front) -> None:
    key = {"Idempotency-Key": "one-calendar"}
    first = await api.created("lead", PATH, calendar("Once"), **key)
    again = await api.call("lead", "POST", PATH, json=calendar("Once"), headers=key)
    assert (again.status_code, again.json()) == (201, first)
    assert again.headers["location"] == f"{PATH}/{first['id']}"
    problem(await api.call("lead", "POST", PATH, json=calendar("Twice"), headers=key), 422, "key-reused")


async def test_agents_read_and_leads_write(api: Front) -> None:
    problem(await api.call("agent", "POST", PATH, json=calendar("A")), 403, "role-too-low")
    problem(await api.call("customer", "GET", PATH), 403, "role-too-low")
    problem(
        await api.call("lead", "POST", PATH, json=calendar("A", tenantId=str(api.seed.other_tenant_id))),
        403,
        "foreign-tenant",
    )


async def test_another_tenants_calendar_does_not_exist(api: Front) -> None:
    path = f"{PATH}/{(await api.created('lead', PATH, calendar('Ours')))['id']}"
    for method, target in (("GET", path), ("DELETE", path), ("GET", f"{path}/versions")):
        problem(await api.call("otherAdmin", method, target), 404, "not-found")
    problem(await api.call("otherAdmin", "PUT", path, json=calendar("Theirs")), 404, "not-found")
    assert (await api.call("agent", "GET", path)).json()["name"] == "Ours"
