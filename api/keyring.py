"""The API keys that called lately: who each is, re-read every few seconds, and when each was used."""

import asyncio
import hashlib
import math
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth import CACHE_SECONDS, CACHE_SIZE, Caller
from api.errors import Unauthenticated
from api.loops import surviving
from db.api_keys import Row, key_holder, note_use
from domain.identity import Actor, Role
from domain.keys import EVERYTHING

log = structlog.get_logger(__name__)

PREFIX: Final = "sk_"
SHAPE: Final = re.compile(r"sk_[A-Za-z0-9_-]{43}")
SHOWN: Final = len(PREFIX) + 8
"""How much of a key is kept to recognise it; what is not kept is still more than 200 random bits."""

NOTE_SECONDS: Final = 60.0
"""How often a key's use is written down at most."""
PERIOD: Final = 1.0
"""Seconds between writes."""

NO_GOOD: Final = "The API key is unknown, revoked or expired."


def new_key() -> str:
    """A key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(key: str) -> str:
    """What the database keeps of a key. A plain hash does, because a key is 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """What a hash stood for until `stale_at` (monotonic); `caller` is None for a key that was revoked here."""

    stale_at: float
    caller: Caller | None = None
    expires_at: float = math.inf


@dataclass
class KeyRing:
    """The keys that one API process knows."""

    engine: AsyncEngine
    known: dict[str, Entry] = field(default_factory=dict)
    noted: dict[UUID, float] = field(default_factory=dict)
    waiting: dict[UUID, datetime] = field(default_factory=dict)

    async def admit(self, key: str) -> tuple[Caller, float]:
        """The principal of a key, and when the key expires in seconds since 1970. Raises Unauthenticated."""
        if not SHAPE.fullmatch(key):
            raise Unauthenticated(NO_GOOD)
        mark = hashed(key)
        entry = self.known.get(mark)
        if entry is None or entry.stale_at <= time.monotonic():
            entry = await self._look_up(mark, entry)
        if entry.caller is None or entry.expires_at <= time.time():
            raise Unauthenticated(NO_GOOD)
        self._note(entry.caller.id)
        return entry.caller, entry.expires_at

    def revoke(self, mark: str) -> None:
        """Believe a key no more from this moment; what a look-up under way has read before does not bring it back."""
        self.known[mark] = Entry(time.monotonic() + CACHE_SECONDS)

    async def run(self) -> None:
        """Write down what was used until cancelled, then the rest."""
        try:
            while True:
                await asyncio.sleep(PERIOD)
                async with surviving("keyring"):
                    await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write down when keys were used; while Postgres is away it waits."""
        if not self.waiting:
            return
        batch, self.waiting = self.waiting, {}
        try:
            async with self.engine.begin() as connection:
                await note_use(connection, batch)
        except (SQLAlchemyError, OSError) as error:
            log.warning("key_use_not_noted", waiting=len(batch), error=type(error).__name__)
            self.waiting = batch | self.waiting

    async def _look_up(self, mark: str, before: Entry | None) -> Entry:
        async with self.engine.begin() as connection:
            row = await key_holder(connection, mark)
        now = self.known.get(mark)
        if now is not before and now is not None and now.caller is None:
            return now  # revoked here meanwhile
        if row is None:
            self.known.pop(mark, None)
            raise Unauthenticated(NO_GOOD)
        if len(self.known) >= CACHE_SIZE:
            self.known.clear()
        self.known[mark] = entry = read(row)
        return entry

    def _note(self, key_id: UUID) -> None:
        now = time.monotonic()
        if now - self.noted.get(key_id, -math.inf) >= NOTE_SECONDS:
            if len(self.noted) >= CACHE_SIZE:
                self.noted.clear()
            self.noted[key_id] = now
            self.waiting[key_id] = datetime.now(UTC)


def read(row: Row) -> Entry:
    """A key as the database has it."""
    actor = Actor(id=row["id"], role=Role(row["role"]), name=row["name"])
    scopes = None if EVERYTHING in row["scopes"] else frozenset(row["scopes"])
    caller = Caller(row["tenant_id"], row["id"], actor, "UTC", {}, is_key=True, scopes=scopes)
    expires_at = row["expires_at"].timestamp() if row["expires_at"] else math.inf
    return Entry(time.monotonic() + CACHE_SECONDS, caller, expires_at)
