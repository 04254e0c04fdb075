"""Tells webhooks of events: makes a delivery of each, and calls one webhook at a time with one of them."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from json import dumps
from typing import Any, Final
from uuid import UUID

from activities.notifications.facts import Sites
from activities.notifications.settling import Settled, Settling
from db.outbox import Pool, as_tenant, once, row
from db.webhook_outbox import DELIVERED, FAILED, SECRETS, SUBJECT, lease_deliveries, pump
from notify.channel import Channel, Post, Undelivered
from notify.http import escaped

LEASE_SECONDS: Final = 30
"""Longer than a call lasts; so long a delivery waits whose worker was killed."""
MOST_PUMPED: Final = 500

Item = Mapping[str, Any]


@dataclass(frozen=True)
class DeliveryLedger:
    """How a call ended, noted at the delivery: that is its log."""

    pool: Pool

    async def delivered(self, item: Item, status: int | None) -> None:
        """The receiver has it."""
        values = {"id": item["id"], "webhook": item["webhook_id"], "status": status}
        await once(self.pool, item["tenant_id"], DELIVERED, values)

    async def failed(self, item: Item, error: Undelivered, again_at: datetime | None) -> None:
        """Again later, or never."""
        about = {"id": item["id"], "webhook": item["webhook_id"]}
        values = {**about, "status": error.status, "error": str(error), "at": again_at}
        await once(self.pool, item["tenant_id"], FAILED, values)

    async def held(self, item: Item, until: datetime) -> None:
        """Webhooks have no quiet hours."""
        raise AssertionError("a webhook's delivery is never held back")


@dataclass
class WebhookLane:
    """Deliveries to webhooks; `pump_seconds` is how often events are looked at."""

    pool: Pool
    standard: Channel[Post]
    slack: Channel[Post]
    sites: Sites
    settling: Settling
    name: str = "webhooks"
    places: int = 32
    pump_seconds: float = 0.5
    looked_at: float = field(default=float("-inf"))

    async def lease(self, busy: Collection[str], most: int) -> Sequence[Item]:
        """What is due, after a look at what has happened; not more often than every `pump_seconds`, unless a call has ended."""
        if time.monotonic() - self.looked_at < self.pump_seconds:
            return []
        await pump(self.pool, MOST_PUMPED)
        self.looked_at = time.monotonic()
        return await lease_deliveries(self.pool, [UUID(each) for each in busy], most, LEASE_SECONDS)

    def key(self, item: Item) -> str:
        """The webhook."""
        return str(item["webhook_id"])

    async def handle(self, item: Item) -> None:
        """Call it, and note how that ended."""
        await self.settling.attempt(item, self.deliver)
        self.looked_at = float("-inf")

    async def deliver(self, item: Item) -> int | None:
        """One call; the id is the delivery's, so a receiver can tell a repeat."""
        if item["format"] == "SLACK":
            return await self.slack.send(Post(str(item["id"]), item["url"], dumps({"text": await self._line(item)})))
        secrets = await self._secrets(item)
        return await self.standard.send(Post(str(item["id"]), item["url"], item["body"], secrets))

    async def _secrets(self, item: Item) -> tuple[str, ...]:
        """What signs: the secret, and the one before for as long as it may. Raises Settled when the webhook has been dropped."""
        async with as_tenant(self.pool, item["tenant_id"]) as connection:
            found = await row(connection, SECRETS, id=item["webhook_id"])
        if found is None:
            raise Settled
        return tuple(found["secrets"])

    async def _line(self, item: Item) -> str:
        async with as_tenant(self.pool, item["tenant_id"]) as connection:
            found = await row(connection, SUBJECT, id=item["entity_id"])
        named = (
            f"SUP-{found['number']} {escaped(found['subject'])}" if found else f"{item['entity']} {item['entity_id']}"
        )
        page = self.sites.page(f"/{item['entity']}s/{item['entity_id']}")
        return f"{item['type']}: <{page}|{named}>" if page else f"{item['type']}: {named}"
