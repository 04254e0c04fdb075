"""An OpenID provider on loopback, with real keys: it publishes them, counts who asks, and signs tokens, good and bad."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from cli.demo import DemoSeed
from runtime.embedded.ports import free_port
from runtime.settings import PostgresSettings
from tests.api.front import Front, front

AUDIENCE = "summit-portal"
SLUG = "acme-support"


@dataclass(frozen=True)
class Signer:
    """A private key and what it signs with."""

    kid: str
    algorithm: str
    private: Any

    def published(self, **changes: Any) -> dict[str, Any]:
        """Its public half as a JWK."""
        form = {"R": RSAAlgorithm, "P": RSAAlgorithm, "E": ECAlgorithm}[self.algorithm[0]]
        form = OKPAlgorithm if self.algorithm == "EdDSA" else form
        jwk: dict[str, Any] = form.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": jwk["kty"], **jwk, "kid": self.kid, "use": "sig", **changes}


def rsa_signer(kid: str, algorithm: str = "RS256", bits: int = 2048) -> Signer:
    """A signer with an RSA key of its own."""
    return Signer(kid, algorithm, rsa.generate_private_key(public_exponent=65537, key_size=bits))


@cache
def first_signer() -> Signer:
    """The signer that every issuer begins with; made once, because that takes longer than most tests."""
    return rsa_signer("first")


def ec_signer(kid: str) -> Signer:
    """A signer with a P-256 key of its own."""
    return Signer(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


def ed_signer(kid: str) -> Signer:
    """A signer with an Ed25519 key of its own."""
    return Signer(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


@dataclass
class Issuer:
    """The provider: `answers` is what it says beside its keys, by path; `asked` are the paths it was asked for."""

    port: int
    signer: Signer = field(default_factory=first_signer)
    keys: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    slow: float = 0.0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.keys.append(self.signer.published())
        self.answers["/.well-known/openid-configuration"] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

    @property
    def url(self) -> str:
        """Its name."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def times_asked(self) -> int:
        """How often its keys were fetched."""
        return self.asked.count("/keys")

    def claims(self, email: str, **changes: Any) -> dict[str, Any]:
        """What a good token says; None leaves a claim out."""
        now = time.time()
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "x-1", "iat": now, "exp": now + 300, "email": email}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, email: str, signer: Signer | None = None, kid: str | None = "", **changes: Any) -> str:
        """A token; `kid` None leaves the key's name out."""
        signer = signer or self.signer
        headers = {} if kid is None else {"kid": kid or signer.kid}
        return jwt.encode(self.claims(email, **changes), signer.private, algorithm=signer.algorithm, headers=headers)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer while the context lasts."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split(b" ")[1].decode()
        self.asked.append(path)
        self.heard.set()
        await asyncio.sleep(self.slow)
        content = {"keys": self.keys} if path == "/keys" else self.answers.get(path)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        status = "404 Not Found" if content is None else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@dataclass
class House:
    """An API that takes the issuer's tokens."""

    api: Front
    issuer: Issuer

    async def me(self, token: str) -> httpx.Response:
        """Who the API thinks that the bearer is."""
        return await self.api.http.get("/api/me", headers={"Authorization": f"Bearer {token}"})

    @property
    def members(self) -> Any:
        """What the API knows of the issuer and its people."""
        return self.api.app.state.services.gate.members

    def five_seconds_later(self) -> None:
        """Have the API look at the database again, as it does after five seconds."""
        self.members.places.clear()
        self.api.app.state.services.directory.known.clear()

    def later(self, seconds: float) -> None:
        """Have the API's last questions to the issuer lie further back."""
        keys = self.members.tokens.keys
        keys.learnt_at -= seconds
        if keys.asked_at is not None:
            keys.asked_at -= seconds


@asynccontextmanager
async def house(postgres: PostgresSettings, seed: DemoSeed, **overrides: Any) -> AsyncIterator[House]:
    """An issuer that does not answer yet, and an API that knows of it."""
    issuer = Issuer(free_port())
    settings = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_tenant": SLUG}
    async with front(postgres, seed, allow_targets="127.0.0.0/8", **(settings | overrides)) as api:
        yield House(api, issuer)


def unsigned(claims: Mapping[str, Any] | list[Any], header: Mapping[str, Any]) -> str:
    """A token that nobody has signed; claims should be an object, and a list is none."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join(parts) + "."
