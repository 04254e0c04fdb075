"""API keys over HTTP: made and shown once, what they open, and how soon they are shut."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from api.keyring import hashed
from cli.demo import DemoSeed
from db.api_keys import key_holder
from tests.api.front import Front, front, places, problem
from tests.api.keys import alter, call, five_seconds_later, made
from tests.stack import Database


async def test_a_key_is_shown_once_and_kept_as_its_hash(api: Front, postgres: Database) -> None:
    body = {"name": "CI", "role": "AGENT", "scopes": ["tickets:read", "tickets:read", "users:read"]}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.call("admin", "POST", "/api/api-keys", json=body, headers=headers)
    assert (first.status_code, first.headers["etag"]) == (201, '"v1"')
    key = first.json()
    assert re.fullmatch(r"sk_[A-Za-z0-9_-]{43}", key["key"])
    assert (key["name"], key["role"], key["scopes"]) == ("CI", "AGENT", ["tickets:read", "users:read"])
    assert (key["prefix"], key["expiresAt"], key["lastUsedAt"], key["revokedAt"]) == (key["key"][:11], None, None, None)
    assert key["createdBy"]["id"] == str(api.seed.users["admin"])
    again = await api.call("admin", "POST", "/api/api-keys", json=body, headers=headers)
    assert again.json() == {**key, "key": None}
    read = await api.call("admin", "GET", first.headers["location"])
    assert read.json() == {name: value for name, value in key.items() if name != "key"}
    listed = await api.call("admin", "GET", "/api/api-keys", params={"limit": 100})
    assert read.json() in listed.json()["data"]
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        held = connection.execute(
            "select row_to_json(k)::text from api_keys k union all select row_to_json(i)::text from idempotency_keys i"
        ).fetchall()
    assert any(hashed(key["key"]) in row for (row,) in held)
    assert all(key["key"] not in row for (row,) in held)


async def test_a_key_is_somebody_of_its_own(api: Front) -> None:
    key = await made(api, "LEAD", "teams:read")
    me = (await call(api, key, "GET", "/api/me")).json()
    assert (me["id"], me["kind"], me["name"], me["email"]) == (key["id"], "API_KEY", key["name"], None)
    assert (me["role"], me["scopes"], me["tenantId"]) == ("LEAD", ["teams:read"], str(api.seed.tenant_id))
    whole = await made(api, "AGENT")
    assert (await call(api, whole, "GET", "/api/me")).json()["scopes"] == ["*"]
    person = (await api.call("agent", "GET", "/api/me")).json()
    assert (person["kind"], person["scopes"]) == ("USER", None)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"/name", "/role"}),
        ({"name": " ", "role": "CUSTOMER", "scopes": []}, {"/name", "/role", "/scopes"}),
        (
            {"name": "x", "role": "OWNER", "scopes": ["tickets:read", "tickets:*", "moon:read"]},
            {"/role", "/scopes/1", "/scopes/2"},
        ),
        ({"name": "x", "role": "AGENT", "expiresAt": "2099-01-01T00:00:00", "who": 1}, {"/expiresAt", "/who"}),
        ({"name": "x", "role": "AGENT", "expiresAt": "never", "scopes": "*"}, {"/expiresAt", "/scopes"}),
    ],
)
async def test_every_bad_field_is_named_at_once(api: Front, body: dict[str, Any], named: set[str]) -> None:
    before = await newest(api)
    assert places(problem(await api.call("admin", "POST", "/api/api-keys", json=body), 422, "invalid")) == named
    assert await newest(api) == before


async def newest(api: Front) -> list[str]:
    """The id of the newest key."""
    return [key["id"] for key in (await api.call("admin", "GET", "/api/api-keys", params={"limit": 1})).json()["data"]]


async def test_a_key_for_a_customer_is_refused_in_words(api: Front) -> None:
    answer = await api.call("admin", "POST", "/api/api-keys", json={"name": "x", "role": "CUSTOMER"})
    [error] = problem(answer, 422, "invalid")["errors"]
    assert "customers sign in" in error["detail"]


async def test_a_key_that_has_expired_before_it_is_made_is_refused(api: Front) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    body = {"name": "x", "role": "AGENT", "expiresAt": past}
    answer = await api.call("admin", "POST", "/api/api-keys", json=body)
    assert places(problem(answer, 422, "already-expired")) == {"/expiresAt"}


async def test_only_administrators_make_keys(api: Front) -> None:
    for who in ("agent", "lead"):
        answer = await api.call(who, "POST", "/api/api-keys", json={"name": "x", "role": "ADMIN"})
        problem(answer, 403, "role-too-low")
    lead = await made(api, "LEAD")
    problem(await call(api, lead, "POST", "/api/api-keys", json={"name": "x", "role": "ADMIN"}), 403, "role-too-low")


async def test_a_key_does_what_its_role_may_and_no_more(api: Front) -> None:
    agent = await made(api, "AGENT")
    assert (await call(api, agent, "GET", "/api/users")).status_code == 200
    refused = problem(await call(api, agent, "POST", "/api/teams", json={"name": "x"}), 403, "role-too-low")
    assert refused["requiredRole"] == "ADMIN"
    admin = await made(api, "ADMIN")
    assert (await call(api, admin, "POST", "/api/teams", json={"name": "By key"})).status_code == 201


@pytest.mark.parametrize(
    ("scope", "granted", "refused", "required"),
    [
        ("teams:read", ("GET", "/api/teams"), ("POST", "/api/teams"), "teams:write"),
        ("teams:write", ("POST", "/api/teams"), ("GET", "/api/teams"), "teams:read"),
        ("sla:read", ("POST", "/api/sla/preview"), ("POST", "/api/sla/calendars"), "sla:write"),
        ("tickets:read", ("GET", "/api/tickets"), ("GET", "/api/users"), "users:read"),
        ("users:write", ("GET", "/api/me"), ("GET", "/api/users"), "users:read"),
    ],
)
async def test_a_call_outside_the_scopes_is_refused_and_says_which_it_takes(
    api: Front, scope: str, granted: tuple[str, str], refused: tuple[str, str], required: str
) -> None:
    key = await made(api, "ADMIN", scope)
    week = {"week": {"MON": [["09:00", "17:00"]]}, "timeZone": "UTC"}
    bodies: dict[str, Any] = {
        "/api/teams": {"name": "x"},
        "/api/sla/preview": {"calendar": week, "targetMinutes": 60, "startedAt": "2026-01-05T10:00:00Z"},
    }
    method, path = granted
    body = {"json": bodies[path]} if method == "POST" else {}
    assert (await call(api, key, method, path, **body)).status_code in (200, 201)
    method, path = refused
    assert problem(await call(api, key, method, path), 403, "scope-missing")["requiredScope"] == required


async def test_a_star_beside_other_scopes_is_everything(api: Front) -> None:
    key = await made(api, "ADMIN", "tickets:read", "*")
    assert key["scopes"] == ["*"]
    assert (await call(api, key, "GET", "/api/users")).status_code == 200


async def test_only_a_key_without_scopes_manages_keys(api: Front) -> None:
    scoped = await made(api, "ADMIN", "users:write", "settings:write")
    for method, path in (
        ("POST", "/api/api-keys"),
        ("GET", "/api/api-keys"),
        ("DELETE", f"/api/api-keys/{scoped['id']}"),
    ):
        assert problem(await call(api, scoped, method, path), 403, "scope-missing")["requiredScope"] == "*"
    whole = await made(api, "ADMIN")
    child = await call(api, whole, "POST", "/api/api-keys", json={"name": "Child", "role": "AGENT"})
    assert child.json()["createdBy"] == {"id": whole["id"], "name": whole["name"]}
    assert (await call(api, whole, "DELETE", child.headers["location"])).status_code == 204
    problem(await call(api, child.json(), "GET", "/api/me"), 401, "unauthenticated")


async def test_what_only_people_have_is_refused_to_keys(api: Front) -> None:
    key = await made(api, "ADMIN")
    for method, path in (
        ("PUT", "/api/me/preferences"),
        ("PUT", "/api/me/availability"),
        ("GET", "/api/notifications"),
        ("POST", f"/api/notifications/{uuid.uuid4()}/read"),
        ("GET", "/api/deadlines/feed"),
    ):
        problem(await call(api, key, method, path), 403, "people-only")


async def test_a_revoked_key_is_out_at_once_here_and_stays_on_record(api: Front) -> None:
    key = await made(api, "AGENT")
    path = f"/api/api-keys/{key['id']}"
    assert (await call(api, key, "GET", "/api/me")).status_code == 200
    problem(await api.call("admin", "DELETE", path, headers={"If-Match": '"v9"'}), 412, "stale")
    assert (await call(api, key, "GET", "/api/me")).status_code == 200
    assert (await api.call("admin", "DELETE", path, headers={"If-Match": '"v1"'})).status_code == 204
    refused = await call(api, key, "GET", "/api/me")
    problem(refused, 401, "unauthenticated")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    five_seconds_later(api)
    problem(await call(api, key, "GET", "/api/me"), 401, "unauthenticated")
    kept = (await api.call("admin", "GET", path)).json()
    assert (kept["version"], kept["revokedAt"] is None) == (2, False)
    assert (await api.call("admin", "DELETE", path)).status_code == 204
    assert (await api.call("admin", "GET", path)).json() == kept, "the second time nothing happens"
    lists = [
        (await api.call("admin", "GET", f"/api/api-keys?limit=100&revoked={r}")).json()["data"]
        for r in ("false", "true")
    ]
    assert [kept in keys for keys in lists] == [False, True]


async def test_a_look_up_under_way_does_not_bring_a_revoked_key_back(
    api: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(api, "AGENT")
    ring = api.app.state.services.gate.keys
    read, may_go_on = asyncio.Event(), asyncio.Event()
    look = key_holder

    async def slow(connection: Any, mark: str) -> Any:
        row = await look(connection, mark)
        read.set()
        await may_go_on.wait()
        return row

    monkeypatch.setattr("api.keyring.key_holder", slow)
    under_way = asyncio.create_task(call(api, key, "GET", "/api/me"))
    await read.wait()
    assert (await api.call("admin", "DELETE", f"/api/api-keys/{key['id']}")).status_code == 204
    may_go_on.set()
    problem(await under_way, 401, "unauthenticated")
    assert ring.known[hashed(key["key"])].caller is None


async def test_a_key_revoked_by_another_process_is_out_after_five_seconds(api: Front) -> None:
    key = await made(api, "AGENT")
    assert (await call(api, key, "GET", "/api/me")).status_code == 200
    await alter(api, key, "revoked_at = now()")
    assert (await call(api, key, "GET", "/api/me")).status_code == 200, "believed for a few seconds"
    five_seconds_later(api)
    problem(await call(api, key, "GET", "/api/me"), 401, "unauthenticated")


async def test_a_key_expires_also_while_it_is_believed(api: Front) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    key = await made(api, "AGENT", expiresAt=soon.isoformat())
    assert (await call(api, key, "GET", "/api/me")).status_code == 200
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.05)
    problem(await call(api, key, "GET", "/api/me"), 401, "unauthenticated")
    five_seconds_later(api)
    problem(await call(api, key, "GET", "/api/me"), 401, "unauthenticated")


@pytest.mark.parametrize(
    "wrong", ["sk_", "sk_short", "sk_" + "a" * 43, "sk_" + "a" * 44, "SK_" + "a" * 43, "sk_" + "é" * 43]
)
async def test_what_is_no_key_of_ours_is_refused(api: Front, wrong: str) -> None:
    answer = await api.http.get("/api/me", headers={"Authorization": f"Bearer {wrong}".encode()})
    problem(answer, 401, "unauthenticated")


async def test_a_key_sees_its_own_tenant_only(api: Front) -> None:
    key = await made(api, "ADMIN", who="otherAdmin")
    assert (await call(api, key, "GET", "/api/me")).json()["tenantId"] == str(api.seed.other_tenant_id)
    problem(await call(api, key, "GET", f"/api/users/{api.seed.users['agent']}"), 404, "not-found")
    body = {"name": "x", "tenantId": str(api.seed.tenant_id)}
    problem(await call(api, key, "POST", "/api/teams", json=body), 403, "foreign-tenant")
    ours = await made(api, "AGENT")
    problem(await call(api, key, "DELETE", f"/api/api-keys/{ours['id']}"), 404, "not-found")
    assert (await call(api, ours, "GET", "/api/me")).status_code == 200


async def test_the_last_use_is_written_down_at_most_once_a_minute(api: Front) -> None:
    ring = api.app.state.services.gate.keys
    key = await made(api, "AGENT")

    async def used() -> datetime | None:
        await ring.flush()
        at = (await api.call("admin", "GET", f"/api/api-keys/{key['id']}")).json()["lastUsedAt"]
        return datetime.fromisoformat(at) if at else None

    before = datetime.now(UTC)
    assert await used() is None
    await call(api, key, "GET", "/api/me")
    first = await used()
    assert first is not None
    assert before <= first <= datetime.now(UTC)
    await call(api, key, "GET", "/api/me")
    assert await used() == first
    ring.noted.clear()
    await call(api, key, "GET", "/api/me")
    assert await used() == first, "another process does not write sooner either"
    await alter(api, key, "last_used_at = last_used_at - interval '61 seconds'")
    ring.noted.clear()
    await call(api, key, "GET", "/api/me")
    assert (await used() or first) > first
    assert (await api.call("admin", "GET", f"/api/api-keys/{key['id']}")).headers["etag"] == '"v1"'


async def test_a_use_that_could_not_be_written_is_written_later(api: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = api.app.state.services.gate.keys
    key = await made(api, "AGENT")
    await ring.flush()

    async def away(*_: Any) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr("api.keyring.note_use", away)
        await call(api, key, "GET", "/api/me")
        await ring.flush()
    await ring.flush()
    assert (await api.call("admin", "GET", f"/api/api-keys/{key['id']}")).json()["lastUsedAt"] is not None


async def test_requests_are_limited_by_key(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, rate_limit_principal="3/minute") as limited:
        one, two = await made(limited, "AGENT"), await made(limited, "AGENT")
        assert [(await call(limited, one, "GET", "/api/me")).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert (await call(limited, two, "GET", "/api/me")).status_code == 200


async def test_a_repeat_by_a_key_gets_the_first_answer_and_another_keys_does_not(api: Front) -> None:
    one, two = await made(api, "ADMIN"), await made(api, "ADMIN")
    headers, body = {"Idempotency-Key": uuid.uuid4().hex}, {"name": "Once"}
    first = await call(api, one, "POST", "/api/teams", json=body, headers=headers)
    again = await call(api, one, "POST", "/api/teams", json=body, headers=headers)
    other = await call(api, two, "POST", "/api/teams", json=body, headers=headers)
    assert again.json() == first.json()
    assert other.json()["id"] != first.json()["id"]


async def test_a_key_with_scopes_does_not_reach_for_administrators(api: Front) -> None:
    key = await made(api, "ADMIN", "users:read", "users:write")
    person = {"email": f"{uuid.uuid4().hex}@people.example", "name": "P", "password": "long enough, surely"}
    refused = problem(
        await call(api, key, "POST", "/api/users", json={**person, "role": "ADMIN"}), 403, "beyond-scopes"
    )
    assert refused["requiredScope"] == "*"
    agent = (await call(api, key, "POST", "/api/users", json={**person, "role": "AGENT"})).json()
    path = f"/api/users/{agent['id']}"
    problem(await call(api, key, "PATCH", path, json={"role": "ADMIN"}), 403, "beyond-scopes")
    admin = f"/api/users/{api.seed.users['admin']}"
    for change in ({"password": "mine now, surely"}, {"email": "m@x.example"}, {"active": False}):
        problem(await call(api, key, "PATCH", admin, json=change), 403, "beyond-scopes")
    assert (await call(api, key, "PATCH", path, json={"role": "LEAD"})).json()["role"] == "LEAD"
    whole = await made(api, "ADMIN")
    assert (await call(api, whole, "PATCH", path, json={"role": "ADMIN"})).json()["role"] == "ADMIN"
    assert (await api.call("admin", "PATCH", path, json={"active": False})).status_code == 200


async def test_a_key_does_not_leave_a_tenant_without_an_administrator(api: Front) -> None:
    key = await made(api, "ADMIN", who="otherAdmin")
    last = f"/api/users/{api.seed.users['otherAdmin']}"
    for change in ({"role": "AGENT"}, {"active": False}):
        problem(await call(api, key, "PATCH", last, json=change), 409, "last-administrator")
    person = {"email": f"{uuid.uuid4().hex}@globex.example", "name": "Second", "role": "ADMIN"}
    second = (await call(api, key, "POST", "/api/users", json=person)).json()
    assert (await call(api, key, "PATCH", f"/api/users/{second['id']}", json={"active": False})).status_code == 200
    problem(await call(api, key, "PATCH", last, json={"active": False}), 409, "last-administrator")
