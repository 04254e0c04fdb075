"""Tokens of an OpenID provider: whom they let in, and every way in which one may be forged or wrong."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cli.demo import PEOPLE
from tests.api.front import SECRET, problem
from tests.api.issuer import (
    AUDIENCE,
    House,
    ec_signer,
    ed_signer,
    rsa_signer,
    unsigned,
)
from tests.api.oidc.house import LEAD, refused


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
    "claims that are no object": lambda home: unsigned([], {"alg": "RS256", "kid": "first"}),
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
