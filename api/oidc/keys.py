"""The provider's keys as one API process knows them: kept while it is away, asked for again when an unknown one has signed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from api.errors import Unauthenticated, Unavailable
from api.oidc.published import Key, Unreachable

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 30.0
"""How often the provider is asked at most, whatever tokens come."""
STALE_SECONDS: Final = 600.0
"""After so long a key in use is looked up again, so that one that was withdrawn is believed no longer than that."""


@dataclass
class KnownKeys:
    """What the provider published when it last answered."""

    fetch: Callable[[], Awaitable[tuple[Key, ...]]]
    keys: tuple[Key, ...] = ()
    generation: int = 0
    """Moves when the keys have changed: what was believed by the former ones is to be judged again."""
    asked_at: float | None = None
    learnt_at: float = 0.0
    trouble: str | None = None
    asking: asyncio.Task[None] | None = field(default=None, repr=False)

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """The key that signed a token. Raises Unauthenticated; or Unavailable, when it may be one that we cannot ask for now."""
        key = self._known(kid, algorithm)
        if key is not None:
            self.refresh()
            return key
        if self.asking is not None and not self.asking.done():
            await asyncio.shield(self.asking)
        elif self.may_ask():
            await asyncio.shield(self.ask())
        key = self._known(kid, algorithm)
        if key is None and self.trouble is not None:
            raise Unavailable("The sign-in provider cannot be asked for its keys at the moment. Try again.")
        if key is None:
            raise Unauthenticated("The token is signed with a key that the sign-in provider does not publish.")
        return key

    def refresh(self) -> None:
        """Have the keys looked up again behind the callers' backs, when they are old."""
        if time.monotonic() - self.learnt_at >= STALE_SECONDS and self.may_ask():
            self.ask()

    def may_ask(self) -> bool:
        """Whether the last question is long enough ago."""
        return self.asked_at is None or time.monotonic() - self.asked_at >= PAUSE_SECONDS

    def ask(self) -> asyncio.Task[None]:
        """Ask the provider, once for all who wait; the question goes on when somebody who waits for it goes away."""
        self.asked_at = time.monotonic()
        self.asking = asyncio.create_task(self._ask())
        return self.asking

    async def close(self) -> None:
        """Ask no more."""
        if self.asking is not None:
            self.asking.cancel()
            with suppress(asyncio.CancelledError):
                await self.asking

    async def _ask(self) -> None:
        try:
            keys = await self.fetch()
        except Unreachable as error:
            self.trouble = str(error)
            log.warning("oidc_keys_away", error=self.trouble)
            return
        self.trouble, self.learnt_at = None, time.monotonic()
        if keys != self.keys:
            self.keys = keys
            self.generation += 1

    def _known(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid == kid)]
        # Without a name only the one key that there is can be meant.
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None
