"""What follows from an attempt: delivered, tried again later, held back, or given up."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from activities.notifications.measures import Measures
from db.away import is_away
from domain.notifications.attempts import MOST, next_attempt
from notify.channel import Undeliverable, Undelivered

log = structlog.get_logger(__name__)


LEASE_SECONDS: Final = 60
"""Of the outbox: longer than any attempt lasts; so long a message waits whose worker was killed."""


class Held(Exception):
    """Not now: the row waits until then, and this was no attempt."""

    def __init__(self, until: datetime) -> None:
        super().__init__("held")
        self.until = until


class Settled(Exception):
    """There is nothing to do or to note any more: the row was fanned out, is told of by a digest, or is somebody else's by now."""


class Ledger(Protocol):
    """Where the end of an attempt is written down."""

    async def delivered(self, item: Any, status: int | None) -> None: ...

    async def failed(self, item: Any, error: Undelivered, again_at: datetime | None) -> None: ...

    async def held(self, item: Any, until: datetime) -> None: ...


@dataclass(frozen=True)
class Settling:
    """Makes one attempt and writes down how it ended. A crash in between leaves the lease, which runs out: the same message
    goes out again, under the same id."""

    ledger: Ledger
    measures: Measures
    channel: str

    async def attempt(self, item: Any, deliver: Callable[[Any], Awaitable[int | None]]) -> None:
        """Deliver `item`. Only a database that is away is not handled here."""
        tags = {"channel": self.channel}
        about = {"id": str(item["id"]), "tenant_id": str(item["tenant_id"]), "channel": self.channel}
        try:
            if item["attempts"] > MOST:
                raise Undeliverable("Given up: no attempt came to an end.")
            status = await deliver(item)
        except Settled:
            return
        except Held as held:
            await self.ledger.held(item, held.until)
        except Exception as error:
            if is_away(error) and not isinstance(error, OSError):  # those are the channel's
                raise
            known = (
                error if isinstance(error, Undelivered) else Undelivered(f"Internal error ({type(error).__name__}).")
            )
            if known is not error:
                log.exception("delivery_broken", **about)
            again = None if isinstance(known, Undeliverable) else self._again(item["attempts"])
            await self.ledger.failed(item, known, again)
            (self.measures.failed if again else self.measures.dead).add(1, tags)
            log.warning("notification_failed" if again else "notification_dead", reason=str(known), **about)
        else:
            await self.ledger.delivered(item, status)
            self.measures.delivered.add(1, tags)
            log.info("notification_delivered", attempts=item["attempts"], **about)

    def _again(self, attempts: int) -> datetime | None:
        return next_attempt(attempts, datetime.now(UTC), random.random())  # noqa: S311
