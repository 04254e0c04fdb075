"""What a token of the provider says about its bearer, once signature, issuer, audience and time are found good."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from pydantic import TypeAdapter, ValidationError

from api.auth import CACHE_SIZE
from api.errors import Unauthenticated
from api.oidc.keys import KnownKeys
from api.oidc.published import ALGORITHMS
from api.schemas.common import Email, Line
from runtime.settings import Settings

LEEWAY_SECONDS: Final = 10
"""How much the provider's clock may differ from ours."""
LONGEST: Final = 16_384
ACCEPTED: Final = frozenset(each for algorithms in ALGORITHMS.values() for each in algorithms)

NOT_OURS: Final = "The token is not one of ours, nor one of the sign-in provider that can be accepted."
REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired; sign in again.",
    jwt.ImmatureSignatureError: "The token is not good yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
    jwt.MissingRequiredClaimError: "The token lacks `exp`, `iss` or `aud`.",
}

EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)
NAME: Final[TypeAdapter[str]] = TypeAdapter(Line)


@dataclass(frozen=True)
class Bearer:
    """Who a token says that its bearer is; `tenant` is a slug, `expires_at` in seconds since 1970."""

    tenant: str
    email: str
    name: str
    expires_at: float


@dataclass
class ProviderTokens:
    """Tokens that were verified lately, by the keys of `generation`."""

    settings: Settings
    keys: KnownKeys
    believed: dict[str, Bearer] = field(default_factory=dict)
    generation: int = 0

    async def bearer(self, token: str) -> Bearer:
        """Whom a token names. Raises Unauthenticated, or Unavailable when its key cannot be asked for."""
        if self.generation != self.keys.generation:
            self.believed.clear()
            self.generation = self.keys.generation
        known = self.believed.get(token)
        if known is not None and known.expires_at > time.time():
            # Also keeps the keys fresh: the token's own may have been withdrawn since.
            self.keys.refresh()
            return known
        self.believed.pop(token, None)
        bearer = self._read(await self._verified(token))
        if len(self.believed) >= CACHE_SIZE:
            self.believed.clear()
        self.believed[token] = bearer
        return bearer

    async def _verified(self, token: str) -> dict[str, Any]:
        kid, algorithm = self._said(token)
        key = await self.keys.find(kid, algorithm)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[algorithm],
                issuer=self.settings.oidc_issuer,
                audience=self.settings.oidc_audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"], "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(REASONS.get(type(error), NOT_OURS)) from None
        except (ValueError, TypeError, OverflowError):
            raise Unauthenticated(NOT_OURS) from None
        return claims

    def _said(self, token: str) -> tuple[str | None, str]:
        """The key and algorithm that an unverified token names. Nobody makes us ask the provider about a token that is not of it."""
        try:
            if len(token) > LONGEST:
                raise Unauthenticated(NOT_OURS)
            parts = jwt.decode_complete(token, options={"verify_signature": False})
            kid, algorithm = parts["header"].get("kid"), parts["header"].get("alg")
            if parts["payload"].get("iss") != self.settings.oidc_issuer or algorithm not in ACCEPTED:
                raise Unauthenticated(NOT_OURS)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated(NOT_OURS) from None
        return kid, algorithm

    def _read(self, claims: Mapping[str, Any]) -> Bearer:
        # Some providers say it in words.
        if claims.get("email_verified", True) not in (True, "true"):
            raise Unauthenticated("The sign-in provider has not verified the address in the token.")
        try:
            email = EMAIL.validate_python(claims.get(self.settings.oidc_email_claim))
        except ValidationError:
            raise Unauthenticated(f"The token has no address in `{self.settings.oidc_email_claim}`.") from None
        tenant = self.settings.oidc_tenant
        if self.settings.oidc_tenant_claim is not None:
            tenant = claims.get(self.settings.oidc_tenant_claim)
        if not isinstance(tenant, str) or not tenant or "\0" in tenant:
            raise Unauthenticated(f"The token names no tenant in `{self.settings.oidc_tenant_claim}`.")
        try:
            name = NAME.validate_python(claims.get(self.settings.oidc_name_claim))
        except ValidationError:
            name = email.partition("@")[0]
        return Bearer(tenant, email, name, float(claims["exp"]))
