"""Webhooks over HTTP: made, changed, dropped; their log, and replay."""

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from domain.notifications.events import EVENTS, PATTERNS
from tests.api.front import Front, places, problem
from tests.api.told import execute, posted

HOOK = {"url": "https://hooks.example.com/summit", "events": ["ticket.*"]}
SECRET, OTHER_SECRET = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"x", b"y"))


async def test_a_secret_is_made_and_shown_once(api: Front) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.call("admin", "POST", "/api/webhooks", json=HOOK, headers=headers)
    assert first.status_code == 201
    made = first.json()
    Webhook(made["secret"]).sign("id", datetime.now(UTC), "{}")
    assert (made["format"], made["active"], made["events"]) == ("STANDARD", True, ["ticket.*"])
    again = await api.call("admin", "POST", "/api/webhooks", json=HOOK, headers=headers)
    assert again.json() == {**made, "secret": None}
    read = await api.call("admin", "GET", first.headers["location"])
    assert (read.headers["etag"], "secret" in read.json()) == ('"v1"', False)
    listed = (await api.call("admin", "GET", "/api/webhooks", params={"limit": 100})).text
    assert made["id"] in listed
    assert made["secret"] not in listed


async def test_a_change_needs_the_version_and_moves_it(api: Front) -> None:
    made = await api.created("admin", "/api/webhooks", {**HOOK, "secret": SECRET})
    assert made["secret"] == SECRET
    path = f"/api/webhooks/{made['id']}"
    changed = await api.call("admin", "PATCH", path, json={"active": False}, headers={"If-Match": '"v1"'})
    assert (changed.json()["active"], changed.headers["etag"]) == (False, '"v2"')
    same = await api.call("admin", "PATCH", path, json={"active": False})
    assert same.headers["etag"] == '"v2"'
    stale = {"If-Match": '"v1"'}
    problem(await api.call("admin", "PATCH", path, json={"active": True}, headers=stale), 412, "stale")
    problem(await api.call("admin", "DELETE", path, headers=stale), 412, "stale")
    assert (await api.call("admin", "DELETE", path, headers={"If-Match": '"v2"'})).status_code == 204
    problem(await api.call("admin", "GET", path), 404, "not-found")


async def test_a_new_secret_leaves_the_one_before_a_day_and_neither_is_shown(api: Front) -> None:
    made = await api.created("admin", "/api/webhooks", {**HOOK, "secret": SECRET})
    path = f"/api/webhooks/{made['id']}"
    assert made["previousSecretUntil"] is None
    asked = datetime.now(UTC)
    same = await api.call("admin", "PATCH", path, json={"secret": SECRET})
    assert (same.json()["version"], same.json()["previousSecretUntil"]) == (1, None)
    changed = await api.call("admin", "PATCH", path, json={"secret": OTHER_SECRET})
    until = datetime.fromisoformat(changed.json()["previousSecretUntil"])
    assert timedelta(0) <= until - asked - timedelta(hours=24) < timedelta(minutes=1)
    assert SECRET not in changed.text
    assert OTHER_SECRET not in changed.text


GIVEN_UP = """
update webhook_deliveries set attempts = 11, dead_at = now(), response_status = 500, last_error = 'The receiver answers 500.'
where id = %(id)s
"""
TAKEN = "update webhook_deliveries set attempts = 1, delivered_at = now(), response_status = 204 where id = %(id)s"

BAD: list[tuple[dict[str, Any], str, set[str]]] = [
    (
        {"url": "x", "events": [], "secret": "s", "format": "XML", "who": 1},
        "invalid",
        {"/url", "/events", "/secret", "/format", "/who"},
    ),
    (
        {"url": "https://h.example", "events": ["ticket", "*.x", "Ticket.*", "ticket.craeted", "ticket.*"]},
        "invalid",
        {"/events/0", "/events/1", "/events/2", "/events/3"},
    ),
    ({"url": "http://127.0.0.1:9/", "events": ["*"]}, "forbidden-target", {"/url"}),
    ({"url": "http://[::ffff:10.1.2.3]/", "events": ["*"]}, "forbidden-target", {"/url"}),
    ({"url": "http://2130706433/", "events": ["*"]}, "forbidden-target", {"/url"}),
    ({"url": "https://h.example", "events": ["*"], "secret": "whsec_AAAA"}, "invalid", {"/secret"}),
]


@pytest.mark.parametrize(("body", "kind", "named"), BAD)
async def test_what_cannot_be_called_or_signed_is_refused(
    api: Front, body: dict[str, Any], kind: str, named: set[str]
) -> None:
    assert places(problem(await api.call("admin", "POST", "/api/webhooks", json=body), 422, kind)) == named


async def test_an_unknown_event_is_answered_with_those_that_there_are(api: Front) -> None:
    made = await api.created("admin", "/api/webhooks", {**HOOK, "events": ["*", *EVENTS]})
    answer = await api.call("admin", "PATCH", f"/api/webhooks/{made['id']}", json={"events": ["ticket.craeted"]})
    [error] = problem(answer, 422, "invalid")["errors"]
    assert error["pointer"] == "/events/0"
    assert all(known in error["detail"] for known in PATTERNS)


async def test_the_events_are_listed_in_the_interface(api: Front) -> None:
    schemas = (await api.call(None, "GET", "/openapi.json")).json()["components"]["schemas"]
    for name in ("CreateWebhook", "ChangeWebhook"):
        field = schemas[name]["properties"]["events"]
        assert field["items"]["enum"] == list(PATTERNS)
        assert all(f"`{event}`: {what}." in field["description"] for event, what in EVENTS.items())


async def test_a_delivery_is_listed_and_told_again_under_its_id(playground: Front) -> None:
    told = await posted(playground, "admin")
    path = f"/api/webhooks/{told['webhook_id']}/deliveries"
    [row] = (await playground.call("admin", "GET", path, params={"state": "PENDING"})).json()["data"]
    assert (row["id"], row["type"], row["sequence"], row["attempts"]) == (told["delivery_id"], "ticket.created", 1, 0)
    assert (await playground.call("admin", "GET", path, params={"state": "DEAD"})).json()["data"] == []
    again = await playground.call("admin", "POST", f"{path}/{told['delivery_id']}/replay")
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, told["delivery_id"], "PENDING")
    assert again.json()["earlier"] == []
    other = await posted(playground, "admin")
    wrong = f"{path}/{other['delivery_id']}/replay"
    problem(await playground.call("admin", "POST", wrong), 404, "not-found")


async def test_a_replay_keeps_how_the_delivery_ended_before(playground: Front) -> None:
    told = await posted(playground, "admin")
    path = f"/api/webhooks/{told['webhook_id']}/deliveries"
    for end in (GIVEN_UP, TAKEN):
        await execute(playground, "admin", end, {"id": told["delivery_id"]})
        [before] = (await playground.call("admin", "GET", path)).json()["data"]
        assert before["state"] in ("DEAD", "DELIVERED")
        after = (await playground.call("admin", "POST", f"{path}/{told['delivery_id']}/replay")).json()
        kept = {name: before[name] for name in ("attempts", "responseStatus", "error", "deliveredAt", "deadAt")}
        assert after["earlier"] == [*before["earlier"], kept]
        assert (after["state"], after["attempts"], after["error"], after["deadAt"]) == ("PENDING", 0, None, None)
    assert [each["attempts"] for each in after["earlier"]] == [11, 1]
