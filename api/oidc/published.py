"""What an OpenID provider publishes: where its keys are, and the keys that may sign."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from runtime.outgoing import Caller
from runtime.targets import Forbidden

DISCOVERY: Final = "/.well-known/openid-configuration"
SECONDS: Final = 3.0
"""For each of the two calls; a request that waits for both still answers within its budget."""
MOST_BYTES: Final = 512 * 1024

RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS: Final[Mapping[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What a key of each kind may sign with. Asymmetric only: with a shared secret whoever verifies could sign."""

LEAST_RSA_BITS: Final = 2048


class Unreachable(Exception):
    """The provider's keys cannot be had; the text says why."""


@dataclass(frozen=True)
class Key:
    """A public key and the algorithms with which it may have signed."""

    kid: str | None
    algorithms: tuple[str, ...]
    public: Any


async def fetch_keys(caller: Caller, issuer: str, jwks_url: str | None) -> tuple[Key, ...]:
    """The keys that the provider publishes now; without a URL they are where its configuration says. Raises Unreachable."""
    url = jwks_url or await discovered(caller, issuer)
    content = await document(caller, url)
    listed = content.get("keys")
    keys = [read_key(each) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    usable = tuple(key for key in keys if key is not None)
    if not usable:
        raise Unreachable(f"{url} holds no key that can verify a token")
    return usable


async def discovered(caller: Caller, issuer: str) -> str:
    """Where the provider's own configuration says that its keys are. Raises Unreachable."""
    url = issuer.rstrip("/") + DISCOVERY
    content = await document(caller, url)
    if content.get("issuer") != issuer:
        raise Unreachable(f"{url} is the configuration of {str(content.get('issuer'))[:200]!r}, not of {issuer!r}")
    found = content.get("jwks_uri")
    if not isinstance(found, str):
        raise Unreachable(f"{url} does not say where the keys are")
    if issuer.startswith("https:") and not found.startswith("https:"):
        raise Unreachable(f"{url} says that the keys are where nothing proves whose they are: {found[:200]!r}")
    return found


async def document(caller: Caller, url: str) -> dict[str, Any]:
    """A JSON object. Raises Unreachable."""
    try:
        answer = await caller.call(
            "GET", url, headers={"Accept": "application/json"}, seconds=SECONDS, most_bytes=MOST_BYTES
        )
    except Forbidden as error:
        raise Unreachable(f"{url} {error} (SUMMIT_ALLOW_TARGETS)") from None
    except (OSError, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{url}: {type(error).__name__}") from None
    if answer.status != 200:
        raise Unreachable(f"{url} answers {answer.status}")
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Unreachable(f"{url} does not answer with a JSON object")
    return content


def read_key(jwk: Mapping[str, Any]) -> Key | None:
    """A key of a JWK set; None when it is not one that signs, is private, weak, or of a kind that we do not take."""
    kind, curve, kid = jwk.get("kty"), jwk.get("crv"), jwk.get("kid")
    named = all(part is None or isinstance(part, str) for part in (kind, curve, kid))
    algorithms = ALGORITHMS.get((str(kind), curve), ()) if named else ()
    if "alg" in jwk:
        algorithms = tuple(each for each in algorithms if each == jwk["alg"])
    operations = jwk.get("key_ops", ["verify"])
    signs = jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    if not algorithms or not signs or "d" in jwk:
        return None
    try:
        public = jwt.PyJWK({**jwk, "alg": algorithms[0]}).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < LEAST_RSA_BITS:
        return None
    return Key(kid, algorithms, public)
