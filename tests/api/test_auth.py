"""Who gets in, who does not, and how soon that changes."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import jwt
import psycopg
import pytest
from argon2 import PasswordHasher

from api import auth
from cli.demo import PEOPLE, DemoSeed
from tests.api.front import PASSWORDS, SECRET, Front, front, problem, some_id
from tests.stack import Database


async def test_the_right_password_gets_a_token_that_works(api: Front) -> None:
    form = {"grant_type": "password", "username": PEOPLE["lead"].email.upper(), "password": PASSWORDS["lead"]}
    response = await api.call(None, "POST", "/api/auth/token", data=form)
    assert response.status_code == 200
    token = response.json()
    assert token.keys() == {"access_token", "token_type", "expires_in"}
    me = await api.http.get("/api/me", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert me.json()["role"] == "LEAD"
    assert me.json()["tenantId"] == str(api.seed.tenant_id)


@pytest.mark.parametrize(
    ("username", "password"), [("lead@acme-support.example", "wrong"), ("nobody@x.example", "any")]
)
async def test_a_wrong_password_and_an_unknown_address_look_the_same(api: Front, username: str, password: str) -> None:
    response = await api.call(None, "POST", "/api/auth/token", data={"username": username, "password": password})
    assert problem(response, 401, "unauthenticated")["detail"] == "The address or the password is wrong."
    assert "invalid_grant" in response.headers["www-authenticate"]


async def test_a_tenant_that_is_named_is_the_only_one_looked_at(api: Front) -> None:
    form = {"username": PEOPLE["otherAdmin"].email, "password": PASSWORDS["otherAdmin"]}
    assert (await api.call(None, "POST", "/api/auth/token?tenant=globex", data=form)).status_code == 200
    problem(await api.call(None, "POST", "/api/auth/token?tenant=acme-support", data=form), 401, "unauthenticated")


async def test_a_hash_with_old_parameters_is_renewed_at_login(api: Front, postgres: Database) -> None:
    token = api.token("agent")
    weak = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORDS["agent"])
    with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as connection:
        connection.execute("update users set password_hash = %s where id = %s", (weak, api.seed.users["agent"]))
        form = {"username": PEOPLE["agent"].email, "password": PASSWORDS["agent"]}
        assert (await api.call(None, "POST", "/api/auth/token", data=form)).status_code == 200
        row = connection.execute("select password_hash from users where id = %s", (api.seed.users["agent"],)).fetchone()
    assert row is not None
    assert row[0] != weak
    api.app.state.services.directory.known.clear()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.http.get("/api/me", headers=headers)).status_code == 200, "the password is the same"
    assert (await api.call(None, "POST", "/api/auth/token", data=form)).status_code == 200


async def test_a_nul_in_a_password_is_a_bad_field(api: Front) -> None:
    response = await api.call(None, "POST", "/api/auth/token", data={"username": "a\0b", "password": "x"})
    problem(response, 422, "invalid")


async def test_no_token_asks_for_one(api: Front) -> None:
    response = await api.call(None, "GET", "/api/me")
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="summit"'


def _claims(api: Front) -> dict[str, object]:
    return jwt.decode(api.token("admin"), SECRET, algorithms=["HS256"], audience=auth.AUDIENCE)


def _unsigned(api: Front) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, _claims(api))
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


FORGERIES = {
    "unsigned": _unsigned,
    "signed by somebody else": lambda api: jwt.encode(_claims(api), "x" * 40, algorithm="HS256"),
    "another algorithm": lambda api: jwt.encode(_claims(api), SECRET, algorithm="HS384"),
    "expired": lambda api: jwt.encode(_claims(api) | {"exp": datetime.now(UTC) - timedelta(seconds=2)}, SECRET),
    "without expiry": lambda api: jwt.encode({k: v for k, v in _claims(api).items() if k != "exp"}, SECRET),
    "for another audience": lambda api: jwt.encode(_claims(api) | {"aud": "elsewhere"}, SECRET),
    "from another issuer": lambda api: jwt.encode(_claims(api) | {"iss": "elsewhere"}, SECRET),
    "of a user who is no id": lambda api: jwt.encode(_claims(api) | {"sub": "admin"}, SECRET),
    "of nobody": lambda api: jwt.encode(_claims(api) | {"sub": some_id()}, SECRET),
    "of a user of another tenant": lambda api: api.token("admin", tenant_id=api.seed.other_tenant_id),
    "garbage": lambda _: "a.b.c",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_token_that_we_did_not_give_to_that_user_is_refused(api: Front, forgery) -> None:  # type: ignore[no-untyped-def]
    response = await api.http.get("/api/me", headers={"Authorization": f"Bearer {forgery(api)}"})
    problem(response, 401, "unauthenticated")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_a_token_that_was_good_expires_all_the_same(api: Front) -> None:
    claims = _claims(api) | {"exp": int(time.time()) + 2}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
    assert (await api.http.get("/api/me", headers=headers)).status_code == 200
    await asyncio.sleep(2.1)
    problem(await api.http.get("/api/me", headers=headers), 401, "unauthenticated")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "token"])
async def test_another_scheme_is_refused(api: Front, header: str) -> None:
    problem(await api.http.get("/api/me", headers={"Authorization": header}), 401, "unauthenticated")


async def test_the_role_is_the_one_in_the_database_whatever_the_token_says(api: Front) -> None:
    token = api.token("agent", role=PEOPLE["admin"].role)
    response = await api.http.post("/api/teams", json={"name": "x"}, headers={"Authorization": f"Bearer {token}"})
    document = problem(response, 403, "role-too-low")
    assert document["requiredRole"] == "ADMIN"


async def test_a_deactivated_user_is_out_within_the_cache_time(api: Front, postgres: Database) -> None:
    user = await api.created(
        "admin", "/api/users", {"email": "brief@acme-support.example", "name": "B", "role": "AGENT"}
    )
    token = api.token("agent", user_id=user["id"])
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.http.get("/api/me", headers=headers)).status_code == 200
    with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as connection:
        connection.execute("update users set active = false where id = %s", (user["id"],))
    assert (await api.http.get("/api/me", headers=headers)).status_code == 200, "believed for a few seconds"
    known = api.app.state.services.directory.known
    for key, (_, caller) in list(known.items()):
        known[key] = (time.monotonic() - 1, caller)
    problem(await api.http.get("/api/me", headers=headers), 401, "unauthenticated")


async def test_a_role_taken_away_over_http_is_gone_at_once_here(api: Front) -> None:
    user = await api.created(
        "admin", "/api/users", {"email": "fallen@acme-support.example", "name": "F", "role": "LEAD"}
    )
    headers = {"Authorization": f"Bearer {api.token('lead', user_id=user['id'])}"}
    assert (await api.http.get("/api/users", headers=headers)).status_code == 200
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"role": "CUSTOMER"})
    problem(await api.http.get("/api/users", headers=headers), 403, "role-too-low")


async def test_logins_are_limited_by_address(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, rate_limit_login="2/minute") as limited:
        form = {"username": "nobody@x.example", "password": "x"}
        for _ in range(2):
            problem(await limited.call(None, "POST", "/api/auth/token", data=form), 401, "unauthenticated")
        response = await limited.call(None, "POST", "/api/auth/token", data=form)
        problem(response, 429, "too-many-requests")
        assert 1 <= int(response.headers["retry-after"]) <= 60


async def test_requests_are_limited_by_principal(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, rate_limit_principal="3/minute") as limited:
        codes = [(await limited.call("agent", "GET", "/api/me")).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert (await limited.call("lead", "GET", "/api/me")).status_code == 200
        assert (await limited.call(None, "GET", "/healthz")).status_code == 200
