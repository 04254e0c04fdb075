"""Keeps a mail before anybody is told that it was taken: one row for each mailbox, however often it comes."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import tenant_transaction
from db.inbound import file_mail, same_mail
from db.mailboxes import mailboxes_of
from domain.ids import derived_id
from domain.mail.addresses import split_address
from domain.mail.arrival import Arrival, arrival
from domain.mail.message import InboundMail, read_mail
from domain.mail.people import readable_domain
from domain.mail.plans import Reason

SLOW_BYTES: Final = 256 * 1024
"""From this size on a mail or a part of one is hashed or decoded beside the loop."""


@dataclass(frozen=True)
class Destination:
    """A mailbox of a tenant, and the address under which a mail was sent to it."""

    mailbox_id: UUID
    tenant_id: UUID
    recipient: str


@dataclass(frozen=True)
class Receiving:
    """Takes mails in for all tenants; `came` wakes whoever makes tickets of them."""

    engine: AsyncEngine
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self, address: str) -> Destination | None:
        """The mailbox with an address, with or without a token behind a plus sign."""
        plain, _ = split_address(clean(address))
        async with self.engine.begin() as connection:
            found = (await mailboxes_of(connection, [plain])).get(plain)
        return Destination(*found, clean(address)) if found else None

    async def keep(self, raw: bytes, sender: str | None, destinations: Iterable[Destination]) -> list[UUID]:
        """Write a mail for each mailbox, and tell the rows' ids; it is committed then."""
        at = datetime.now(UTC)
        filed = await filed_as(raw, at)
        ids: list[UUID] = []
        for tenant_id, wanted in by_tenant(destinations).items():
            async with tenant_transaction(self.engine, tenant_id) as connection:
                for each in wanted:
                    ids.append(await file(connection, each, raw, sender, filed, at))
        self.came.set()
        return ids

    async def keep_one(
        self, connection: AsyncConnection, raw: bytes, sender: str | None, destination: Destination
    ) -> UUID:
        """Write a mail in the caller's transaction, and tell the row's id; set `came` when that is committed."""
        at = datetime.now(UTC)
        return await file(connection, destination, raw, sender, await filed_as(raw, at), at)


async def read(raw: bytes, sender: str | None) -> InboundMail:
    """What a mail says. It is read beside the loop: a small one may take long, too."""
    return await asyncio.to_thread(read_mail, raw, sender)


async def filed_as(raw: bytes, at: datetime) -> Arrival:
    """What identifies a mail; a large one is hashed beside the loop."""
    return await asyncio.to_thread(arrival, raw, at) if len(raw) > SLOW_BYTES else arrival(raw, at)


async def file(
    connection: AsyncConnection, destination: Destination, raw: bytes, sender: str | None, filed: Arrival, at: datetime
) -> UUID:
    """Write one row, or find it. Another mail under a known Message-ID is kept too, for somebody to look at."""
    row = {
        "mailbox_id": destination.mailbox_id,
        "content_hash": filed.content_hash,
        "message_id": filed.message_id,
        "envelope_sender": sender,
        "recipient": destination.recipient,
        "author": filed.author,
        "subject": filed.subject,
        "size": len(raw),
        "raw": raw,
        "received_at": at,
    }
    made = await file_mail(connection, row | keyed(destination, filed.key))
    if made is not None:
        return made
    known = await same_mail(connection, destination.mailbox_id, filed.key)
    if known["content_hash"] == filed.content_hash:
        found: UUID = known["id"]
        return found
    key = f"{filed.key}/{filed.content_hash}"
    detail = "It has the Message-ID of an earlier mail, and says something else."
    parked = {"state": "PARKED", "reason": Reason.REPEATED, "detail": detail}
    await file_mail(connection, row | keyed(destination, key) | parked)
    return derived_id(destination.mailbox_id, key)


def keyed(destination: Destination, key: str) -> dict[str, UUID | str]:
    """A row's key, and the id that it decides."""
    return {"id": derived_id(destination.mailbox_id, key), "dedupe_key": key}


def by_tenant(destinations: Iterable[Destination]) -> dict[UUID, Sequence[Destination]]:
    """Each mailbox once, under the address that names a ticket if there is one."""
    chosen: dict[UUID, Destination] = {}
    for each in destinations:
        known = chosen.get(each.mailbox_id)
        if known is None or ("+" in each.recipient and "+" not in known.recipient):
            chosen[each.mailbox_id] = each
    found: dict[UUID, list[Destination]] = {}
    for each in sorted(chosen.values(), key=lambda each: str(each.mailbox_id)):
        found.setdefault(each.tenant_id, []).append(each)
    return dict(found)


def clean(address: str) -> str:
    """An address as mailboxes are called: lower case, its domain in the letters that people read."""
    address = address.encode("utf-8", "replace").decode().replace("\0", "").strip().lower()
    local, _, domain = address.rpartition("@")
    return f"{local}@{readable_domain(domain)}"
