"""Tokens of an OpenID provider: who gets in with them, who does not, and how little the provider is asked."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from api.oidc.published import Unreachable, fetch_keys, read_key
from cli import doctor
from cli.demo import PEOPLE, DemoSeed
from runtime.embedded.ports import free_port
from runtime.outgoing import Answer, Caller
from runtime.settings import Settings
from runtime.targets import Targets
from tests.api.front import SECRET, problem, settings_for
from tests.api.issuer import (
    AUDIENCE,
    SLUG,
    House,
    Issuer,
    ec_signer,
    ed_signer,
    first_signer,
    house,
    rsa_signer,
    unsigned,
)
from tests.stack import Database

LEAD = PEOPLE["lead"].email


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def home(postgres: Database, seed: DemoSeed) -> AsyncIterator[House]:
    """An API with an issuer that answers; nobody new gets in."""
    async with house(postgres.app, seed) as running, running.issuer.open():
        yield running


@pytest_asyncio.fixture
async def fresh(postgres: Database, seed: DemoSeed) -> AsyncIterator[House]:
    """An API that has asked nothing yet, and an issuer that is away until it opens."""
    async with house(postgres.app, seed) as running:
        yield running


async def refused(home: House, token: str) -> str:
    """Why a token is refused."""
    answer = await home.me(token)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    detail: str = problem(answer, 401, "unauthenticated")["detail"]
    return detail


async def test_the_person_with_the_address_gets_in_with_the_role_of_the_database(home: House) -> None:
    answer = await home.me(home.issuer.token(LEAD.upper(), role="ADMIN"))
    assert answer.status_code == 200, answer.text
    me = answer.json()
    assert (me["id"], me["role"], me["kind"]) == (str(home.api.seed.users["lead"]), "LEAD", "USER")
    assert me["tenantId"] == str(home.api.seed.tenant_id)


@pytest.mark.parametrize("make", [ec_signer, ed_signer, lambda kid: rsa_signer(kid, "PS512"), rsa_signer])
async def test_a_key_of_each_kind_signs(fresh: House, make: Callable[[str], Any]) -> None:
    signer = make("other")
    fresh.issuer.keys.append(signer.published())
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD, signer))).status_code == 200


async def test_our_own_tokens_and_keys_work_beside_it_and_never_ask_it(fresh: House) -> None:
    assert (await fresh.api.call("agent", "GET", "/api/me")).status_code == 200
    key = await fresh.api.created("admin", "/api/api-keys", {"name": "x", "role": "AGENT"})
    assert (await fresh.me(key["key"])).status_code == 200
    for wrong in ("a.b.c", "garbage", "e30.e30.e30"):
        problem(await fresh.me(wrong), 401, "unauthenticated")
    assert fresh.members.tokens.keys.asked_at is None


async def test_without_a_provider_its_tokens_are_worth_nothing(home: House, api: Any) -> None:
    answer = await api.http.get("/api/me", headers={"Authorization": f"Bearer {home.issuer.token(LEAD)}"})
    problem(answer, 401, "unauthenticated")


def as_secret(home: House) -> bytes:
    """The issuer's public key as somebody would use it who takes it for a shared secret."""
    public: bytes = home.issuer.signer.private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return public


def hmac_token(home: House, secret: bytes, **header: Any) -> str:
    """A token whose signature is an HMAC; libraries refuse to make it with a public key."""
    body = unsigned(home.issuer.claims(LEAD), {"alg": "HS256", "typ": "JWT", "kid": "first", **header}).rstrip(".")
    mark = hmac.digest(secret, body.encode(), hashlib.sha256)
    return f"{body}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def jwk_bytes(home: House) -> bytes:
    """The issuer's key as it is published."""
    return json.dumps(home.issuer.keys[0]).encode()


def header_changed(home: House, **header: Any) -> str:
    """A good token under another header."""
    good = home.issuer.token(LEAD).split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join((head, *good[1:]))


FORGERIES: dict[str, Callable[[House], str]] = {
    "unsigned": lambda home: unsigned(home.issuer.claims(LEAD), {"alg": "none", "kid": "first"}),
    "unsigned, in capitals": lambda home: unsigned(home.issuer.claims(LEAD), {"alg": "NONE", "kid": "first"}),
    "the public key as a shared secret": lambda home: hmac_token(home, as_secret(home)),
    "the published key as a shared secret": lambda home: hmac_token(home, jwk_bytes(home)),
    "the same, with another algorithm": lambda home: hmac_token(home, as_secret(home), alg="HS512"),
    "the same, called RS256": lambda home: hmac_token(home, as_secret(home), alg="RS256"),
    "our own secret for the issuer's claims": lambda home: hmac_token(home, SECRET.encode()),
    "somebody else's key under a known name": lambda home: home.issuer.token(LEAD, rsa_signer("first")),
    "another algorithm in the header": lambda home: header_changed(home, alg="RS512", kid="first"),
    "an algorithm of another kind of key": lambda home: header_changed(home, alg="ES256", kid="first"),
    "no algorithm": lambda home: header_changed(home, kid="first"),
    "an algorithm that is a list": lambda home: header_changed(home, alg=["RS256"], kid="first"),
    "a name that is a number": lambda home: header_changed(home, alg="RS256", kid=1),
    "a signature cut off": lambda home: home.issuer.token(LEAD).rpartition(".")[0] + ".",
    "claims that are no object": lambda home: unsigned([], {"alg": "RS256", "kid": "first"}),  # type: ignore[arg-type]
    "far too long": lambda home: home.issuer.token(LEAD, padding="x" * 20_000),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forgery_is_refused(home: House, forge: Callable[[House], str]) -> None:
    assert (await home.me(home.issuer.token(LEAD))).status_code == 200
    await refused(home, forge(home))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": time.time() - 3600}, "has expired"),
    "without an expiry": ({"exp": None}, "lacks"),
    "not good yet": ({"nbf": time.time() + 3600}, "not good yet"),
    "for another audience": ({"aud": "elsewhere"}, "another audience"),
    "without an audience": ({"aud": None}, "lacks"),
    "of another issuer": ({"iss": "https://elsewhere.example"}, "not one of ours"),
    "without an issuer": ({"iss": None}, "not one of ours"),
    "with an unverified address": ({"email_verified": False}, "not verified"),
    "with an address unverified in words": ({"email_verified": "false"}, "not verified"),
    "without an address": ({"email": None}, "no address"),
    "with two addresses": ({"email": [LEAD]}, "no address"),
    "with an address that is none": ({"email": "lead"}, "no address"),
    "of nobody here": ({"email": "nobody@acme-support.example"}, "Nobody here"),
    "of somebody of another tenant": ({"email": PEOPLE["otherAdmin"].email}, "Nobody here"),
}


@pytest.mark.parametrize(("changes", "why"), WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_says_something_wrong_is_refused_with_the_reason(
    home: House, changes: dict[str, Any], why: str
) -> None:
    assert why in await refused(home, home.issuer.token(**({"email": LEAD} | changes)))


async def test_clocks_may_differ_a_little(home: House) -> None:
    now = time.time()
    for changes in ({"exp": now - 3}, {"nbf": now + 3}, {"iat": now + 60}):
        assert (await home.me(home.issuer.token(LEAD, **changes))).status_code == 200
    for said in ("true", True):
        assert (await home.me(home.issuer.token(LEAD, email_verified=said))).status_code == 200
    assert (await home.me(home.issuer.token(LEAD, aud=["elsewhere", AUDIENCE]))).status_code == 200


async def test_a_token_that_was_good_expires_all_the_same(home: House) -> None:
    token = home.issuer.token(LEAD, exp=time.time() - 9)
    assert (await home.me(token)).status_code == 200
    await asyncio.sleep(1.2)
    assert "expired" in await refused(home, token)


async def test_a_storm_of_unknown_keys_asks_the_issuer_once(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        asked = fresh.issuer.times_asked
        assert asked == 1
        stranger = rsa_signer("stranger")
        storm = [fresh.issuer.token(LEAD, stranger, kid=uuid.uuid4().hex) for _ in range(50)]
        answers = await asyncio.gather(*map(fresh.me, storm))
        assert {answer.status_code for answer in answers} == {401}
        assert fresh.issuer.times_asked == asked, "the last question is not 30 seconds ago"
        fresh.later(31)
        await asyncio.gather(*map(fresh.me, storm))
        assert fresh.issuer.times_asked == asked + 1


async def test_who_comes_while_the_issuer_is_being_asked_waits_for_that_answer(fresh: House) -> None:
    fresh.issuer.slow = 0.2
    async with fresh.issuer.open():
        answers = await asyncio.gather(*(fresh.me(fresh.issuer.token(LEAD)) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert fresh.issuer.times_asked == 1


async def test_a_caller_who_goes_away_does_not_stop_the_question_of_the_others(fresh: House) -> None:
    fresh.issuer.slow = 0.2
    async with fresh.issuer.open():
        first, second = (asyncio.create_task(fresh.me(fresh.issuer.token(LEAD))) for _ in range(2))
        await fresh.issuer.heard.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert (await second).status_code == 200
        assert fresh.issuer.times_asked == 1


async def test_a_new_key_is_learnt_when_it_has_signed(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        second = ec_signer("second")
        fresh.issuer.keys.append(second.published())
        assert "does not publish" in await refused(fresh, fresh.issuer.token(LEAD, second))
        fresh.later(31)
        assert (await fresh.me(fresh.issuer.token(LEAD, second))).status_code == 200
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200


async def test_a_key_that_is_withdrawn_is_believed_for_ten_minutes_more_at_most(fresh: House) -> None:
    async with fresh.issuer.open():
        token = fresh.issuer.token(LEAD)
        assert (await fresh.me(token)).status_code == 200
        fresh.issuer.keys[:] = [ec_signer("second").published()]
        fresh.later(599)
        assert (await fresh.me(token)).status_code == 200
        assert fresh.issuer.times_asked == 1
        fresh.later(1)
        assert (await fresh.me(token)).status_code == 200, "nobody waits for the question"
        await fresh.members.tokens.keys.asking
        assert fresh.issuer.times_asked == 2
        assert "does not publish" in await refused(fresh, token)


async def test_known_keys_go_on_while_the_issuer_is_away_and_unknown_ones_may_be_tried_again(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
    fresh.later(700)
    for _ in range(2):
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        await fresh.members.tokens.keys.asking
    assert "ConnectError" in fresh.members.tokens.keys.trouble
    fresh.later(31)
    answer = await fresh.me(fresh.issuer.token(LEAD, kid="new"))
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    async with fresh.issuer.open():
        problem(await fresh.me(fresh.issuer.token(LEAD, kid="new")), 503, "unavailable")
        fresh.later(31)
        assert "does not publish" in await refused(fresh, fresh.issuer.token(LEAD, kid="new"))


async def test_an_issuer_that_was_never_there_is_503_and_our_own_tokens_work(fresh: House) -> None:
    problem(await fresh.me(fresh.issuer.token(LEAD)), 503, "unavailable")
    assert (await fresh.api.call("agent", "GET", "/api/me")).status_code == 200


async def test_a_token_without_a_keys_name_is_taken_where_only_one_can_be_meant(fresh: House) -> None:
    fresh.issuer.keys.append(ec_signer("curved").published())
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD, kid=None))).status_code == 200
        fresh.issuer.keys.append(rsa_signer("second").published())
        fresh.later(601)
        await fresh.me(fresh.issuer.token(LEAD))
        await fresh.members.tokens.keys.asking
        await refused(fresh, fresh.issuer.token(LEAD, kid=None))


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


AWAY: dict[str, tuple[dict[str, Any], str]] = {
    "of somebody else": (
        {"/.well-known/openid-configuration": {"issuer": "https://x.example"}},
        "is the configuration of",
    ),
    "without a place": ({"/.well-known/openid-configuration": None}, "answers 404"),
    "not JSON": ({"/.well-known/openid-configuration": b"<html>"}, "JSON object"),
    "a list": ({"/.well-known/openid-configuration": []}, "JSON object"),
}


@pytest.mark.parametrize(("answers", "why"), AWAY.values(), ids=AWAY.keys())
async def test_the_doctor_says_why_keys_cannot_be_had(fresh: House, answers: dict[str, Any], why: str) -> None:
    fresh.issuer.answers.update(answers)
    async with fresh.issuer.open():
        with pytest.raises(doctor.Ailment, match=why):
            await doctor._sign_in(fresh.api.settings)
        problem(await fresh.me(fresh.issuer.token(LEAD)), 503, "unavailable")


async def test_the_doctor_is_content_with_an_issuer_that_answers(fresh: House, postgres: Database) -> None:
    assert "no OIDC issuer" in await doctor._sign_in(settings_for(postgres.app))
    with pytest.raises(doctor.Ailment, match="ConnectError") as found:
        await doctor._sign_in(fresh.api.settings)
    assert "SUMMIT_OIDC_ISSUER" in found.value.remedy
    async with fresh.issuer.open():
        assert "1 keys" in await doctor._sign_in(fresh.api.settings)
        closed = fresh.api.settings.model_copy(update={"allow_targets": ""})
        with pytest.raises(doctor.Ailment, match="SUMMIT_ALLOW_TARGETS"):
            await doctor._sign_in(closed)
        fresh.issuer.keys.clear()
        with pytest.raises(doctor.Ailment, match="no key"):
            await doctor._sign_in(fresh.api.settings)


async def test_a_place_for_the_keys_that_is_named_is_the_only_one_asked(postgres: Database, seed: DemoSeed) -> None:
    issuer = Issuer(free_port())
    elsewhere = {"oidc_issuer": "https://login.example", "oidc_jwks_url": f"{issuer.url}/keys"}
    async with house(postgres.app, seed, **elsewhere) as home, issuer.open():
        assert (await home.me(issuer.token(LEAD, iss="https://login.example"))).status_code == 200
        assert issuer.asked == ["/keys"]


UNFIT: dict[str, Callable[[], dict[str, Any]]] = {
    "a shared secret": lambda: {"kty": "oct", "k": "c2VjcmV0", "kid": "x"},
    "for encryption": lambda: first_signer().published(use="enc"),
    "for something else": lambda: first_signer().published(key_ops=["encrypt"]),
    "for a shared secret's algorithm": lambda: first_signer().published(alg="HS256"),
    "for no algorithm": lambda: first_signer().published(alg="none"),
    "too short": lambda: rsa_signer("x", bits=1024).published(),
    "private": lambda: ec_signer("x").published(d="AQAB"),
    "broken": lambda: {"kty": "RSA", "n": "!", "e": "AQAB"},
    "without its numbers": lambda: {"kty": "RSA"},
    "of an unknown curve": lambda: {"kty": "EC", "crv": "P-1", "x": "AQ", "y": "AQ"},
    "of a point not on its curve": lambda: ec_signer("x").published(x="AQ", y="AQ"),
    "of an odd kind": lambda: {"kty": ["RSA"]},
    "with an odd name": lambda: first_signer().published(kid=7),
    "with odd operations": lambda: first_signer().published(key_ops="verify"),
}


@pytest.mark.parametrize("jwk", UNFIT.values(), ids=UNFIT.keys())
def test_a_key_that_cannot_be_relied_on_is_left_out(jwk: Callable[[], dict[str, Any]]) -> None:
    assert read_key(jwk()) is None


def test_a_key_signs_with_its_own_algorithms_only() -> None:
    assert read_key(first_signer().published(alg="PS256")).algorithms == ("PS256",)  # type: ignore[union-attr]
    assert read_key(first_signer().published()).algorithms[0] == "RS256"  # type: ignore[union-attr]
    assert read_key(ec_signer("x").published()).algorithms == ("ES256",)  # type: ignore[union-attr]


GOOD = {"oidc_issuer": "https://login.example/", "oidc_audience": "a", "oidc_tenant": "acme"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"oidc_audience": ""}, "SUMMIT_OIDC_AUDIENCE"),
        ({"oidc_tenant": ""}, "one of SUMMIT_OIDC_TENANT"),
        ({"oidc_tenant_claim": "org"}, "one of SUMMIT_OIDC_TENANT"),
        ({"oidc_issuer": "login.example"}, "must begin with"),
        ({"oidc_issuer": "http://login.example", "environment": "production"}, "must begin with https"),
        ({"oidc_jwks_url": "http://login.example", "environment": "production"}, "must begin with https"),
        ({"oidc_provision": "OWNER"}, "CUSTOMER"),
    ],
)
def test_half_a_provider_is_refused_at_the_start(changes: dict[str, Any], why: str) -> None:
    Settings(**GOOD)
    with pytest.raises(ValidationError, match=why):
        Settings(**(GOOD | changes))


def test_blank_settings_are_none_and_the_issuer_stays_as_it_is_spelt() -> None:
    assert Settings(oidc_issuer="", oidc_tenant="", oidc_provision="").oidc_provision is None
    assert Settings(**GOOD).oidc_issuer == "https://login.example/"


@pytest.mark.parametrize(
    ("named", "why"),
    [("http://login.example/keys", "nothing proves"), ("https://login.example/keys", "InvalidURL")],
    ids=["without TLS", "what no URL is"],
)
async def test_keys_that_an_issuer_names_badly_are_not_fetched(
    named: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(_: Caller, method: str, url: str, **how: Any) -> Answer:
        if url == named:
            raise httpx.InvalidURL("Invalid port")
        return Answer(200, {}, json.dumps({"issuer": "https://login.example", "jwks_uri": named}).encode())

    monkeypatch.setattr(Caller, "call", call)
    with pytest.raises(Unreachable, match=why):
        await fetch_keys(Caller(Targets()), "https://login.example", None)
