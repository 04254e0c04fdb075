"""Rate limits: so many requests per principal, per address for those without a token, per address for logins."""

import math
import time
from dataclasses import dataclass
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.errors import TooManyRequests
from runtime.settings import Settings

log = structlog.get_logger()


def item(rate: str) -> RateLimitItem | None:
    """`600/minute` as a limit; an empty setting switches it off."""
    return parse(rate) if rate.strip() else None


def connections(settings: Settings) -> ConnectionPool | None:
    """The way to Redis, where several API processes share their counters; None to count in this process."""
    if settings.redis_host is None:
        return None
    password = settings.redis_password.get_secret_value() if settings.redis_password else None
    patience: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}
    return ConnectionPool(host=settings.redis_host, port=settings.redis_port, password=password, **patience)


@dataclass(frozen=True)
class Limits:
    """The limits in force."""

    strategy: FixedWindowRateLimiter
    redis: ConnectionPool | None
    failures: tuple[type[Exception], ...]
    by_principal: RateLimitItem | None
    by_address: RateLimitItem | None
    logins: RateLimitItem | None

    async def principal(self, identity: str) -> None:
        """Count a request of a signed-in principal. Raises TooManyRequests."""
        if self.by_principal is not None:
            await self._hit(self.by_principal, "principal", identity)

    async def public(self, address: str) -> None:
        """Count a request without a token. Raises TooManyRequests."""
        if self.by_address is not None:
            await self._hit(self.by_address, "public", address)

    async def login(self, address: str) -> None:
        """Count an attempt to sign in. Raises TooManyRequests."""
        if self.logins is not None:
            await self._hit(self.logins, "login", address)

    async def close(self) -> None:
        """Hang up on Redis."""
        if self.redis is not None:
            await self.redis.aclose()

    async def _hit(self, limit: RateLimitItem, kind: str, identity: str) -> None:
        try:
            allowed = await self.strategy.hit(limit, kind, identity)
            if allowed:
                return
            reset = (await self.strategy.get_window_stats(limit, kind, identity)).reset_time
        except self.failures:
            # Without its counters a help desk stays open.
            log.warning("rate_limits_away")
            return
        raise TooManyRequests(max(1, math.ceil(reset - time.time())))


def make_limits(settings: Settings) -> Limits:
    """The limits that the settings name. Needs a running loop, on which the counters expire."""
    redis = connections(settings)
    counters: Storage = MemoryStorage()
    if redis is not None:
        counters = RedisStorage("async+redis://", connection_pool=redis, implementation="redispy")  # type: ignore[arg-type]
    failures = counters.base_exceptions
    return Limits(
        FixedWindowRateLimiter(counters),
        redis,
        failures if isinstance(failures, tuple) else (failures,),
        item(settings.rate_limit_principal),
        item(settings.rate_limit_public),
        item(settings.rate_limit_login),
    )
