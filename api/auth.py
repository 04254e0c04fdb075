"""Who is calling: passwords, tokens, and the principal as the database knows it now."""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import Unauthenticated
from db.engine import tenant_transaction
from db.identity import find_caller
from domain.identity import Actor, Role
from runtime.settings import Settings

ISSUER: Final = "summit"
AUDIENCE: Final = "summit-api"
ALGORITHM: Final = "HS256"
CLAIMS: Final = ["exp", "iat", "iss", "aud", "sub", "tenant", "role"]

CACHE_SECONDS: Final = 5.0
"""How long a principal is believed without asking the database: so soon does a deactivation take effect everywhere."""
CACHE_SIZE: Final = 10_000

HASHES_AT_ONCE: Final = 2
"""Argon2 takes 64 MiB and a core each; more at once would starve the requests that are signed in."""


@dataclass(frozen=True)
class Caller:
    """A principal who has proved who it is."""

    tenant_id: UUID
    id: UUID
    actor: Actor
    time_zone: str
    preferences: dict[str, Any]
    password_set_at: datetime | None = None
    is_key: bool = False
    scopes: frozenset[str] | None = None
    """Of an API key: what it is confined to; None for a key that does all that its role may do, and for people."""

    @property
    def role(self) -> Role:
        """The role as the database has it, whatever the token says."""
        return self.actor.role


@dataclass(frozen=True)
class Claims:
    """What a believed token says; `issued_at` and `expires_at` in seconds since 1970."""

    tenant_id: UUID
    user_id: UUID
    issued_at: float
    expires_at: float


def derive_key(settings: Settings, purpose: str) -> bytes:
    """A key of its own for each purpose, so that what is signed for one is worth nothing for another."""
    return hmac.digest(settings.require_secret().encode(), purpose.encode(), hashlib.sha256)


def mint(
    settings: Settings,
    *,
    tenant_id: UUID,
    user_id: UUID,
    role: Role,
    minutes: int | None = None,
    not_before: datetime | None = None,
) -> str:
    """A token for a user, valid for `minutes` (the setting's, unless given).

    `not_before` is the database's instant of the user's password, which may be ahead of our clock. The issue is told to
    the microsecond: a token of the second in which the password was set is good or bad.
    """
    now = datetime.now(UTC)
    now = max(now, not_before or now)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "tenant": str(tenant_id),
        "role": role.value,
        "iat": now.timestamp(),
        "exp": now + timedelta(minutes=minutes or settings.token_minutes),
    }
    return jwt.encode(claims, settings.require_secret(), algorithm=ALGORITHM)


def verify(settings: Settings, token: str) -> Claims:
    """The claims of a token that we signed and that has not expired, else Unauthenticated; the algorithm is pinned."""
    try:
        claims = jwt.decode(
            token,
            settings.require_secret(),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            # Two servers' clocks may differ by a second; a token from the future is still one that we signed.
            options={"require": CLAIMS, "verify_iat": False},
        )
        return Claims(UUID(claims["tenant"]), UUID(claims["sub"]), float(claims["iat"]), float(claims["exp"]))
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("The token has expired; sign in again.") from None
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError):
        raise Unauthenticated("The token is not one of ours.") from None


@dataclass
class Tokens:
    """Tokens that were verified lately; a third of the cost of a small request is their arithmetic."""

    settings: Settings
    believed: dict[str, Claims] = field(default_factory=dict)

    @cached_property
    def beginning(self) -> str:
        """How the tokens that we sign begin."""
        return jwt.encode({}, self.settings.require_secret(), algorithm=ALGORITHM).partition(".")[0] + "."

    def judges(self, token: str) -> bool:
        """Whether a token is said to be signed as ours are, or is none at all; the others are for the OIDC provider's keys to judge."""
        if token.startswith(self.beginning):
            return True
        try:
            return bool(jwt.get_unverified_header(token).get("alg") == ALGORITHM)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return True

    def claims(self, token: str) -> Claims:
        """The claims of a token, as `verify` has them."""
        claims = self.believed.get(token)
        if claims is not None and claims.expires_at > time.time():
            return claims
        self.believed.pop(token, None)
        claims = verify(self.settings, token)
        if len(self.believed) >= CACHE_SIZE:
            self.believed.clear()
        self.believed[token] = claims
        return claims


@dataclass
class Directory:
    """The principals who called lately, re-read from the database every few seconds."""

    engine: AsyncEngine
    known: dict[tuple[UUID, UUID], tuple[float, Caller]] = field(default_factory=dict)

    async def caller(self, claims: Claims) -> Caller:
        """The active user behind the claims, if the token came after their password. Raises Unauthenticated."""
        caller = await self.active(claims)
        if caller.password_set_at is not None and claims.issued_at < caller.password_set_at.timestamp():
            raise Unauthenticated("The password has changed since this token was issued; sign in again.")
        return caller

    async def active(self, claims: Claims) -> Caller:
        """The active user behind the claims. Raises Unauthenticated."""
        key = (claims.tenant_id, claims.user_id)
        entry = self.known.get(key)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        async with tenant_transaction(self.engine, claims.tenant_id) as connection:
            row = await find_caller(connection, claims.user_id)
        if row is None:
            self.known.pop(key, None)
            raise Unauthenticated("The user of this token is no longer active.")
        actor = Actor(
            id=row["id"], role=Role(row["role"]), name=row["name"], email=row["email"], account_id=row["account_id"]
        )
        caller = Caller(
            claims.tenant_id, claims.user_id, actor, row["time_zone"], row["preferences"], row["password_set_at"]
        )
        if len(self.known) >= CACHE_SIZE:
            self.known.clear()
        self.known[key] = (time.monotonic() + CACHE_SECONDS, caller)
        return caller

    def forget(self, tenant_id: UUID, user_id: UUID) -> None:
        """Ask the database at the user's next call, because something about the user has changed here."""
        self.known.pop((tenant_id, user_id), None)


class Passwords:
    """Argon2id in threads, a few at a time."""

    def __init__(self) -> None:
        self.hasher = PasswordHasher()
        self.turns = asyncio.Semaphore(HASHES_AT_ONCE)

    @cached_property
    def dummy(self) -> str:
        """The hash that an unknown user's password is compared with, so that timing does not tell who exists."""
        return self.hasher.hash("nobody")

    async def hash(self, password: str) -> str:
        """The hash to store."""
        async with self.turns:
            return await asyncio.to_thread(self.hasher.hash, password)

    async def check(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the stored one's; takes as long for a user who does not exist."""
        async with self.turns:
            matches = await asyncio.to_thread(self._matches, stored or self.dummy, password)
        return matches and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self.hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self.hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False
