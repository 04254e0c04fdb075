"""Inbox, preferences and the log of deliveries over HTTP."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.front import Front, places, problem, some_id
from tests.api.told import execute, noticed, posted


async def entries(api: Front, who: str, **query: Any) -> list[dict[str, Any]]:
    """The first page of somebody's inbox."""
    answer = await api.call(who, "GET", "/api/notifications", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def titles(api: Front, who: str, **query: Any) -> dict[str, str]:
    """The same: id and title."""
    return {entry["id"]: entry["title"] for entry in await entries(api, who, **query)}


async def test_an_inbox_holds_ones_own_entries_and_says_what_they_are_about(api: Front) -> None:
    facts = {"number": 1042, "subject": "No dashboard", "rule": "75 %"}
    own = await noticed(api, "agent", "escalated", payload=facts)
    odd = await noticed(api, "agent", "of_a_later_release")
    others = await noticed(api, "lead")
    mail = await noticed(api, "agent", "page", channel="EMAIL")
    found = await titles(api, "agent")
    assert found[own] == "[SUP-1042] Escalated (75 %): No dashboard"
    assert found[odd] == "Of a later release"
    assert not {others, mail} & found.keys()


async def test_an_entry_is_read_once_and_by_its_owner_only(api: Front) -> None:
    entry = await noticed(api, "customer", "ticket_reply")
    path = f"/api/notifications/{entry}/read"
    assert entry in await titles(api, "customer", unread="true")
    [listed] = [each for each in await entries(api, "customer") if each["id"] == entry]
    assert (listed["updatedAt"], listed["version"]) == (listed["createdAt"], 1)
    problem(await api.call("admin", "POST", path), 404, "not-found")
    first = (await api.call("customer", "POST", path)).json()
    again = (await api.call("customer", "POST", path)).json()
    assert first["readAt"] is not None
    assert first == again
    assert (first["updatedAt"], first["version"]) == (first["readAt"], 2)
    assert entry not in await titles(api, "customer", unread="true")
    assert entry in await titles(api, "customer", unread="false")


async def test_pages_hold_each_entry_once_the_newest_first(playground: Front) -> None:
    made = [await noticed(playground, "lead") for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await playground.call("lead", "GET", "/api/notifications", params={"limit": 2, **cursor})).json()
        seen += [entry["id"] for entry in page["data"]]
        if not page["page"]["hasMore"]:
            break
        cursor = {"cursor": page["page"]["nextCursor"]}
    assert [entry for entry in seen if entry in made] == made[::-1]
    assert len(seen) == len(set(seen))


async def test_preferences_are_kept_and_shown_at_once(api: Front) -> None:
    start = (await api.call("lead", "GET", "/api/me")).json()["preferences"]
    assert start == {"channels": ["IN_APP", "EMAIL"], "quietHours": None, "pageRules": [], "slackUrl": None}
    wanted = {
        "channels": ["EMAIL", "SLACK"],
        "quietHours": {"timeZone": "Europe/Paris", "from": "22:00", "until": "07:30"},
        "pageRules": [{"channel": "EMAIL", "delayMinutes": 5}],
        "slackUrl": "https://chat.example/hook",
    }
    before = (await api.call("admin", "GET", f"/api/users/{api.seed.users['lead']}")).json()
    answer = await api.call("lead", "PUT", "/api/me/preferences", json=wanted)
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert (await api.call("lead", "GET", "/api/me")).json()["preferences"] == wanted
    assert (await api.call("admin", "GET", f"/api/users/{api.seed.users['lead']}")).json() == before
    assert (await api.call("lead", "PUT", "/api/me/preferences", json={})).json() == start


async def test_new_preferences_free_what_waited_for_the_old_ones(api: Front) -> None:
    later = "update notifications set not_before = now() + interval '3 h' where id = %(id)s"
    held = await noticed(api, "lead", channel="EMAIL")
    await execute(api, "lead", later, {"id": held})

    async def due_at() -> str:
        page = await api.call("admin", "GET", "/api/notifications/log", params={"limit": 100, "state": "PENDING"})
        return str({row["id"]: row for row in page.json()["data"]}[held]["nextAttemptAt"])

    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await due_at() > soon
    assert (await api.call("lead", "PUT", "/api/me/preferences", json={})).status_code == 200
    assert await due_at() < soon


async def test_what_has_no_effect_yet_is_said(api: Front) -> None:
    schemas = (await api.call(None, "GET", "/openapi.json")).json()["components"]["schemas"]
    wanted = schemas["PreferencesBody"]
    assert "on-call" in wanted["properties"]["pageRules"]["description"]
    assert "Customers" in wanted["description"]


BAD: list[tuple[dict[str, Any], set[str]]] = [
    ({"channels": ["EMAIL", "EMAIL"]}, {"/channels"}),
    ({"channels": ["PIGEON", "WEBHOOK"], "x": 1}, {"/channels/0", "/channels/1", "/x"}),
    ({"channels": ["SLACK"]}, {"/channels"}),
    ({"slackUrl": "ftp://x.example/"}, {"/slackUrl"}),
    ({"slackUrl": "https://user:pw@x.example/"}, {"/slackUrl"}),
    (
        {"quietHours": {"timeZone": "Mars/Base", "from": "25:00", "until": "7"}},
        {"/quietHours/timeZone", "/quietHours/from", "/quietHours/until"},
    ),
    ({"quietHours": {"timeZone": "UTC", "from": "07:00", "until": "07:00"}}, {"/quietHours/until"}),
    ({"pageRules": [{"channel": "EMAIL", "delayMinutes": -1}]}, {"/pageRules/0/delayMinutes"}),
]


@pytest.mark.parametrize(("body", "named"), BAD)
async def test_preferences_that_cannot_be_are_refused(api: Front, body: dict[str, Any], named: set[str]) -> None:
    assert places(problem(await api.call("agent", "PUT", "/api/me/preferences", json=body), 422, "invalid")) == named


async def test_a_chat_inside_the_network_is_refused(api: Front) -> None:
    body = {"channels": ["SLACK"], "slackUrl": "http://10.0.0.8/hook"}
    refused = problem(await api.call("agent", "PUT", "/api/me/preferences", json=body), 422, "forbidden-target")
    assert places(refused) == {"/slackUrl"}


async def test_the_log_tells_what_was_given_up_and_lets_it_be_repeated(playground: Front) -> None:
    dead = (await posted(playground, "admin"))["notification_id"]

    async def logged(**query: str) -> dict[str, dict[str, Any]]:
        page = await playground.call("admin", "GET", "/api/notifications/log", params={"limit": 100, **query})
        return {row["id"]: row for row in page.json()["data"]}

    row = (await logged(state="DEAD", channel="EMAIL"))[dead]
    assert (row["state"], row["recipient"], row["nextAttemptAt"]) == ("DEAD", "a@b.example", None)
    assert dead not in await logged(state="PENDING")
    assert dead not in await logged(channel="SLACK")
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    path = f"/api/notifications/log/{dead}/redeliver"
    again = await playground.call("admin", "POST", path, headers=headers)
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (200, "PENDING", 0)
    assert dead in await logged(state="PENDING")
    repeated = await playground.call("admin", "POST", path, headers=headers)
    assert repeated.headers["idempotent-replayed"] == "true"
    problem(await playground.call("lead", "GET", "/api/notifications/log"), 403, "role-too-low")


async def test_what_cannot_be_told_again_is_refused(playground: Front) -> None:
    spent = await noticed(playground, "admin", "invitation", channel="EMAIL", dead=True)
    entry = await noticed(playground, "admin")
    for row in (spent, entry):
        path = f"/api/notifications/log/{row}/redeliver"
        problem(await playground.call("admin", "POST", path), 409, "not-repeatable")
    problem(await playground.call("admin", "POST", f"/api/notifications/log/{some_id()}/redeliver"), 404, "not-found")
