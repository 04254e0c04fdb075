"""The files of a mail: stored under their checksums, and named by ids that a repeat gives them too."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from api.mail.receiving import SLOW_BYTES
from db.attachments import keep_attachments
from db.engine import tenant_transaction
from domain.files import clean_name, ending
from domain.ids import derived_id
from domain.mail.headers import read_headers
from domain.mail.message import InboundMail
from domain.mail.mime import Part
from runtime.blobs import Blobs, TooLarge
from runtime.filetypes import content_type

MOST_FILES: Final = 100
"""Of one mail; the mail as it came has the others still."""

CHUNK: Final = 256 * 1024

KNOWN: Final = {"message/rfc822": ".eml", "text/calendar": ".ics", "text/html": ".html", "text/plain": ".txt"}


@dataclass(frozen=True)
class Kept:
    """The files that are stored, and what could not be kept, for whoever reads the mail."""

    ids: tuple[UUID, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailFiles:
    """Stores files of mails."""

    engine: AsyncEngine
    blobs: Blobs
    most_bytes: int

    async def keep(
        self, tenant_id: UUID, mail_id: UUID, raw: bytes, mail: InboundMail, texts: Sequence[tuple[str, bytes]]
    ) -> Kept:
        """Store the files of a mail, and `texts` of ours beside them. What is too large is left out, and said to be."""
        rows: list[dict[str, Any]] = []
        notes: list[str] = []
        for part in mail.attachments[:MOST_FILES]:
            content = await decoded(part, raw)
            name = named(part, content)
            if not content:
                continue
            try:
                rows.append(await self._row(tenant_id, mail_id, str(part.number), name, content, part.content_id))
            except TooLarge:
                notes.append(f"{name} is larger than {self.most_bytes // 1024 // 1024} MB")
        for name, content in texts:
            rows.append(await self._row(tenant_id, mail_id, name, name, content[: self.most_bytes], None))
        left = len(mail.attachments) - MOST_FILES + mail.dropped
        if len(mail.attachments) > MOST_FILES or mail.dropped:
            notes.append(f"{max(left, mail.dropped)} more parts of the mail were not kept as files")
        if rows:
            async with tenant_transaction(self.engine, tenant_id) as connection:
                await keep_attachments(connection, rows)
        return Kept(tuple(row["id"] for row in rows), tuple(notes))

    async def _row(
        self, tenant_id: UUID, mail_id: UUID, key: str, name: str, content: bytes, content_id: str | None
    ) -> dict[str, Any]:
        """A file that is in the store. Raises TooLarge, StoreFull."""
        stored = await self.blobs.put(tenant_id, pieces(content), self.most_bytes)
        return {
            "id": derived_id(mail_id, "file", key),
            "file_name": name,
            "content_type": content_type(stored.head, ending(name)),
            "size": stored.size,
            "sha256": stored.sha256,
            "content_id": content_id,
        }


async def decoded(part: Part, raw: bytes) -> bytes:
    """The content of a part; a large one is decoded beside the loop."""
    if part.end - part.start > SLOW_BYTES:
        return await asyncio.to_thread(part.content, raw)
    return part.content(raw)


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """Content as the store takes it."""
    for place in range(0, len(content), CHUNK):
        yield content[place : place + CHUNK]


def named(part: Part, content: bytes) -> str:
    """What a file is called: as its sender says; else a mail by its subject, and anything else by its place."""
    if part.named:
        return part.named
    last = KNOWN.get(part.content_type) or mimetypes.guess_extension(part.content_type) or ".bin"
    if part.content_type == "message/rfc822":
        headers, _ = read_headers(content, 0, len(content))
        return clean_name(f"{headers.line('subject')[:150] or 'message'}{last}")
    return f"part-{part.number}{last}"
