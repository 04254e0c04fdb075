"""The user behind a token of the provider: found by address, or made at the first call where the settings say so."""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from uuid_utils import compat

from api.auth import CACHE_SECONDS, CACHE_SIZE, Caller, Claims, Directory
from api.errors import Unauthenticated
from api.oidc.keys import KnownKeys
from api.oidc.published import fetch_keys
from api.oidc.tokens import Bearer, ProviderTokens
from db.engine import tenant_transaction
from db.identity import provision, public_tenant, user_by_address
from domain.identity import Role
from runtime.outgoing import Caller as Outgoing
from runtime.settings import Settings
from runtime.targets import Targets

log = structlog.get_logger(__name__)

STRANGER: Final = "Nobody here has the address in the token; ask an administrator to add you."
GONE: Final = "The user of this token is no longer active."


@dataclass
class Members:
    """The people whom the provider vouches for; where each is found is looked up again every few seconds.

    `newcomers` is the role of those who are made at their first call; None when only known people get in.
    """

    engine: AsyncEngine
    tokens: ProviderTokens
    directory: Directory
    newcomers: Role | None
    places: dict[tuple[str, str], tuple[float, UUID, UUID]] = field(default_factory=dict)

    async def admit(self, token: str) -> tuple[Caller, float]:
        """The caller behind a token, and when it expires in seconds since 1970. Raises Unauthenticated, Unavailable."""
        bearer = await self.tokens.bearer(token)
        tenant_id, user_id = await self._place(bearer)
        # No look at the password: setting one ends the tokens that were given for the former one, which these were not.
        caller = await self.directory.active(Claims(tenant_id, user_id, 0.0, bearer.expires_at))
        return caller, bearer.expires_at

    async def close(self) -> None:
        """Ask the provider no more."""
        await self.tokens.keys.close()

    async def _place(self, bearer: Bearer) -> tuple[UUID, UUID]:
        key = (bearer.tenant, bearer.email.lower())
        place = self.places.get(key)
        if place is None or place[0] <= time.monotonic():
            tenant_id, user_id = await self._find(bearer)
            if len(self.places) >= CACHE_SIZE:
                self.places.clear()
            place = self.places[key] = (time.monotonic() + CACHE_SECONDS, tenant_id, user_id)
        return place[1:]

    async def _find(self, bearer: Bearer) -> tuple[UUID, UUID]:
        async with self.engine.begin() as connection:
            tenant = await public_tenant(connection, bearer.tenant, "")
        if tenant is None:
            raise Unauthenticated("The tenant in the token does not exist.")
        async with tenant_transaction(self.engine, tenant["id"]) as connection:
            found = await user_by_address(connection, bearer.email)
            if found is None and self.newcomers is not None:
                await self._make(connection, bearer)
                # Whoever was first: of two first calls at once one makes the user and both find it.
                found = await user_by_address(connection, bearer.email)
        if found is None:
            raise Unauthenticated(STRANGER)
        if not found["active"]:
            raise Unauthenticated(GONE)
        return tenant["id"], found["id"]

    async def _make(self, connection: AsyncConnection, bearer: Bearer) -> None:
        user_id = compat.uuid7()
        values = {"id": user_id, "email": bearer.email, "name": bearer.name, "role": self.newcomers}
        if await provision(connection, values):
            log.info("user_provisioned", user_id=str(user_id))


def make_members(settings: Settings, engine: AsyncEngine, directory: Directory) -> Members | None:
    """The members as the settings want them; None without a provider."""
    if settings.oidc_issuer is None:
        return None
    outgoing = Outgoing(Targets.read(settings.allow_targets))
    keys = KnownKeys(partial(fetch_keys, outgoing, settings.oidc_issuer, settings.oidc_jwks_url))
    newcomers = Role(settings.oidc_provision) if settings.oidc_provision else None
    return Members(engine, ProviderTokens(settings, keys), directory, newcomers)
