"""Setting a provider up: what settings, the doctor and keys must be like."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from api.oidc.published import Unreachable, fetch_keys, read_key
from cli import doctor
from cli.demo import DemoSeed
from runtime.embedded.ports import free_port
from runtime.outgoing import Answer, Caller
from runtime.settings import Settings
from runtime.targets import Targets
from tests.api.front import problem, settings_for
from tests.api.issuer import (
    House,
    Issuer,
    ec_signer,
    first_signer,
    house,
    rsa_signer,
)
from tests.api.oidc.house import LEAD
from tests.stack import Database

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


def algorithms(jwk: dict[str, Any]) -> tuple[str, ...]:
    """What a published key is taken for."""
    key = read_key(jwk)
    assert key is not None
    return key.algorithms


def test_a_key_signs_with_its_own_algorithms_only() -> None:
    assert algorithms(first_signer().published(alg="PS256")) == ("PS256",)
    assert algorithms(first_signer().published())[0] == "RS256"
    assert algorithms(ec_signer("x").published()) == ("ES256",)


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
