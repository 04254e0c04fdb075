"""Delivers the rows of the outbox: mail and chat to one person or address, copies for those who stand for several."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps
from typing import Any, Final

from activities.notifications.facts import About, Sites, read_about
from activities.notifications.fanout import expand, represented
from activities.notifications.flood import gathered
from activities.notifications.mailing import Mailing
from activities.notifications.noting import Noting
from activities.notifications.settling import LEASE_SECONDS, Held, Settled, Settling
from db.outbox import GATHERED, HELD, Pool, as_tenant, fail, lease, once, rows
from domain.notifications.attempts import WINDOW
from domain.notifications.headlines import headline, title
from domain.notifications.preferences import DIRECT, quiet_until
from domain.notifications.recipients import SYMBOLIC, Recipient, Unaddressable, read_recipient
from domain.process import Channel
from notify.channel import Channel as Carrier
from notify.channel import Post, Undeliverable, Undelivered
from notify.http import escaped

Item = Mapping[str, Any]


@dataclass(frozen=True)
class OutboxLedger:
    """How an attempt ended, noted at the row."""

    pool: Pool
    noting: Noting

    async def delivered(self, item: Item, status: int | None) -> None:
        """Done; so are the rows that a digest tells of."""
        await self.noting.note(item["id"])

    async def failed(self, item: Item, error: Undelivered, again_at: datetime | None) -> None:
        """Again later, or never."""
        await fail(self.pool, item["tenant_id"], item["id"], str(error), again_at)

    async def held(self, item: Item, until: datetime) -> None:
        """Not now; it was no attempt."""
        await once(self.pool, item["tenant_id"], HELD, {"id": item["id"], "at": until})


@dataclass(frozen=True)
class Courier:
    """What every lane of the outbox shares."""

    pool: Pool
    mailing: Mailing
    chat: Carrier[Post]
    sites: Sites

    async def deliver(self, item: Item) -> int | None:
        """Deliver one row. Raises Settled when there was nothing to send, Held when it has to wait."""
        try:
            recipient = represented(item, read_recipient(item["recipient"]))
        except Unaddressable as error:
            raise Undeliverable(str(error)) from error
        channel = Channel(item["channel"])
        if channel is Channel.WEBHOOK:
            raise Undeliverable("Webhooks are told of events, not of notices.")
        if channel is Channel.PREFERRED or recipient.kind in SYMBOLIC:
            await expand(self.pool, item, recipient)
            raise Settled
        if channel is Channel.IN_APP:
            raise Undeliverable("Only people have an inbox.")
        return await self._tell(item, recipient, channel)

    async def _tell(self, item: Item, recipient: Recipient, channel: Channel) -> int | None:
        about = read_about(item, recipient, self.sites)
        if about.person and about.person.staff and item["template"] not in DIRECT:
            if until := quiet_until(about.person.preferences.quiet_hours, datetime.now(UTC)):
                raise Held(until)
            if channel is Channel.EMAIL and await gathered(self.pool, item):
                raise Settled
        facts = about.facts
        if item["template"] == "digest":
            facts = {**facts, "lines": await self._lines(item)}
        if channel is Channel.SLACK:
            return await self._chat(item, about, facts)
        return await self.mailing.send(item, about.person.address if about.person else recipient.address, about, facts)

    async def _lines(self, item: Item) -> list[str]:
        async with as_tenant(self.pool, item["tenant_id"]) as connection:
            told = await rows(connection, GATHERED, digest=item["id"])
        return [title(each["template"], each | each["payload"]) for each in told]

    async def _chat(self, item: Item, about: About, facts: Mapping[str, Any]) -> int | None:
        url = about.person.preferences.slack_url if about.person else None
        if url is None:
            raise Undeliverable("The person has no chat.")
        try:
            line = escaped(headline(item["template"], facts))
        except KeyError as error:
            raise Undeliverable(f"There is no template {item['template']!r}.") from error
        text = f"{line}\n<{facts['link']}>" if facts["link"] else line
        return await self.chat.send(Post(str(item["id"]), url, dumps({"text": text})))


PLACES: Final[Mapping[Channel, int]] = {
    Channel.EMAIL: 12,
    Channel.SLACK: 4,
    Channel.PREFERRED: 2,
    Channel.IN_APP: 2,
    Channel.WEBHOOK: 2,
}
"""How many rows of a channel are handled at a time: chats that hang keep no mail waiting."""


@dataclass
class OutboxLane:
    """The rows of the outbox, leased with one query for all channels, because one look per channel costs more than a mail."""

    courier: Courier
    settlings: Mapping[Channel, Settling]
    name: str = "outbox"
    places: int = sum(PLACES.values())
    running: Counter[Channel] = field(default_factory=Counter)

    async def lease(self, busy: Collection[str], most: int) -> Sequence[Item]:
        """Due rows of the channels that have places left, the first of each recipient."""
        wanted = [channel for channel, places in PLACES.items() if self.running[channel] < places]
        return await lease(
            self.courier.pool,
            wanted,
            list(busy),
            most,
            LEASE_SECONDS,
            direct=sorted(DIRECT),
            since=datetime.now(UTC) - WINDOW,
        )

    def key(self, item: Item) -> str:
        """Whom it is for and how it travels, as the lease spells it."""
        return f"{item['tenant_id']}/{item['channel']}/{item['recipient']}"

    async def handle(self, item: Item) -> None:
        """Deliver, and note how that ended."""
        channel = Channel(item["channel"])
        self.running[channel] += 1
        try:
            await self.settlings[channel].attempt(item, self.courier.deliver)
        finally:
            self.running[channel] -= 1
