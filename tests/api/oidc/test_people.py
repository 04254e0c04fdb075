"""Whom a provider's token means here: people who are known, have moved, are gone or are new."""

import asyncio
import uuid
from typing import Any

import psycopg
import pytest

from cli.demo import DemoSeed
from tests.api.issuer import (
    AUDIENCE,
    SLUG,
    House,
    house,
)
from tests.api.oidc.house import refused
from tests.stack import Database


async def test_a_deactivated_person_stays_out_and_is_not_made_anew(postgres: Database, seed: DemoSeed) -> None:
    async with house(postgres.app, seed, oidc_provision="AGENT") as home, home.issuer.open():
        email = f"{uuid.uuid4().hex}@people.example"
        user = await home.api.created("admin", "/api/users", {"email": email, "name": "Leaver", "role": "AGENT"})
        token = home.issuer.token(email)
        assert (await home.me(token)).json()["id"] == user["id"]
        await home.api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"active": False})
        assert "no longer active" in await refused(home, token)
        home.five_seconds_later()
        assert "no longer active" in await refused(home, home.issuer.token(email.upper()))


async def test_an_address_that_has_moved_to_somebody_else_leads_there(home: House) -> None:
    email = f"{uuid.uuid4().hex}@people.example"
    one, two = [
        await home.api.created("admin", "/api/users", {"email": address, "name": "N", "role": "AGENT"})
        for address in (email, f"other-{email}")
    ]
    token = home.issuer.token(email)
    assert (await home.me(token)).json()["id"] == one["id"]
    for user, address in ((one, f"former-{email}"), (two, email)):
        await home.api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"email": address})
    home.five_seconds_later()
    assert (await home.me(token)).json()["id"] == two["id"]


async def test_a_new_password_does_not_end_the_providers_tokens(home: House) -> None:
    email = f"{uuid.uuid4().hex}@people.example"
    user = await home.api.created("admin", "/api/users", {"email": email, "name": "N", "role": "AGENT"})
    token = home.issuer.token(email)
    await home.api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"password": "a new one, surely"})
    assert (await home.me(token)).status_code == 200


@pytest.mark.parametrize("role", ["CUSTOMER", "AGENT"])
async def test_two_first_calls_at_once_make_one_person(postgres: Database, seed: DemoSeed, role: str) -> None:
    async with (
        house(postgres.app, seed, oidc_provision=role) as home,
        house(postgres.app, seed, oidc_provision=role, oidc_issuer=home.issuer.url) as other,
        home.issuer.open(),
    ):
        email = f"{uuid.uuid4().hex}@people.example"
        token = home.issuer.token(email, name="  Grace Hopper ")
        answers = await asyncio.gather(*(each.me(token) for each in (home, other) * 5))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 1
        me = answers[0].json()
        assert (me["name"], me["email"], me["role"], me["accountId"]) == ("Grace Hopper", email, role, None)
        with psycopg.connect(postgres.owner.conninfo()) as connection:
            rows = connection.execute(
                "select tenant_id, password_hash from users where lower(email) = %s", (email,)
            ).fetchall()
            mails = connection.execute("select from notifications where recipient = %s", (me["id"],)).fetchall()
        assert rows == [(seed.tenant_id, None)]
        assert mails == []


async def test_a_newcomer_without_a_usable_name_is_called_by_the_address(postgres: Database, seed: DemoSeed) -> None:
    async with house(postgres.app, seed, oidc_provision="AGENT") as home, home.issuer.open():
        for name in (None, "", "a\nb", 7, "x" * 201):
            local = uuid.uuid4().hex
            answer = await home.me(home.issuer.token(f"{local}@people.example", name=name))
            assert answer.json()["name"] == local


async def test_the_tenant_and_the_names_of_claims_can_be_others(postgres: Database, seed: DemoSeed) -> None:
    settings = {"oidc_tenant": None, "oidc_tenant_claim": "org", "oidc_email_claim": "upn", "oidc_name_claim": "cn"}
    async with house(postgres.app, seed, oidc_provision="CUSTOMER", **settings) as home, home.issuer.open():
        email = f"{uuid.uuid4().hex}@people.example"
        here = home.issuer.token("not@this.example", upn=email, cn="Ada", org=SLUG)
        there = home.issuer.token("not@this.example", upn=email, cn="Ada", org="globex")
        assert [(await home.me(token)).json()["tenantId"] for token in (here, there)] == [
            str(seed.tenant_id),
            str(seed.other_tenant_id),
        ]
        assert (await home.me(here)).json()["name"] == "Ada"
        for org in (None, "nowhere", 1, "", "globex\0"):
            await refused(home, home.issuer.token("x@y.example", upn=email, org=org))


async def test_a_portal_learns_whom_to_ask(home: House, api: Any) -> None:
    assert (await home.api.call(None, "GET", "/api/auth/oidc")).json() == {
        "enabled": True,
        "issuer": home.issuer.url,
        "audience": AUDIENCE,
        "clientId": None,
    }
    assert (await api.call(None, "GET", "/api/auth/oidc")).json() == {
        "enabled": False,
        "issuer": None,
        "audience": None,
        "clientId": None,
    }
