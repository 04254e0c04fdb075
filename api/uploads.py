"""Taking in a file: into the store while it comes, and into the database when all of it is there."""

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.auth import Caller
from api.errors import BodyTooLarge, Unavailable
from api.multipart import CUT_OFF, BadUpload, Form, content_of
from api.records import Repeatable, claimed, key_of, new_id
from api.schemas.attachments import AttachmentView
from db.answers import earlier
from db.attachments import add_attachment
from db.engine import tenant_transaction
from db.tickets.reads import find_ticket
from domain.files import clean_name, ending
from domain.process import NotFound
from domain.tickets.lifecycle import FINAL, TicketFinal
from domain.tickets.model import Status
from runtime.blobs import Blobs, Stored, StoreFull, TooLarge
from runtime.filetypes import content_type

FORM_BYTES: Final = 64 * 1024
"""What a form may have beside its file."""


@dataclass(frozen=True)
class Uploads:
    """Takes in files for a caller, in two short transactions: while a file comes no connection is held."""

    engine: AsyncEngine
    blobs: Blobs
    most_bytes: int
    fingerprint_key: bytes

    async def take(self, request: Request, caller: Caller, ticket_id: UUID | None, key: str | None) -> Response:
        """Store the file of a form. Raises NotFound, TicketFinal, BadUpload, KeyReused, and Answered for a repeat."""
        identity = key_of(request, caller, key) if key else None
        await self._admit(caller, ticket_id, identity)
        form = Form(request.headers.get("content-type", ""))
        stored = await self._store(caller.tenant_id, form, request.stream())
        name = clean_name(form.file_name or "")
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            # Of the file itself and not of the form, whose boundary is another one at each attempt.
            once = (
                await claimed(connection, identity, self._mark(name, stored))
                if identity
                else Repeatable(connection, None)
            )
            row = await add_attachment(
                connection,
                {
                    "id": new_id(),
                    "ticket_id": ticket_id,
                    "file_name": name,
                    "content_type": content_type(stored.head, ending(name)),
                    "size": stored.size,
                    "sha256": stored.sha256,
                    "uploaded_by": caller.id,
                },
            )
            return await once.reply(attachment_view(row), location=f"/api/attachments/{row['id']}")

    async def _admit(self, caller: Caller, ticket_id: UUID | None, identity: Mapping[str, str] | None) -> None:
        """Refuse before anything is read what will be refused anyhow; a repeat gets its first answer also on a ticket that is over."""
        if ticket_id is None:
            return
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            ticket = await find_ticket(connection, caller.actor, ticket_id)
            known = await earlier(connection, identity) if identity else None
        if ticket is None:
            raise NotFound("There is no such ticket.")
        if Status(ticket["status"]) in FINAL and known is None:
            raise TicketFinal(Status(ticket["status"]))

    async def _store(self, tenant_id: UUID, form: Form, body: AsyncIterator[bytes]) -> Stored:
        try:
            return await self.blobs.put(tenant_id, content_of(form, body), self.most_bytes)
        except TooLarge as error:
            raise BodyTooLarge(self.most_bytes) from error
        except StoreFull as error:
            raise Unavailable("There is no room for files at the moment. Repeat the request later.") from error
        except ClientDisconnect as error:
            raise BadUpload(CUT_OFF) from error

    def _mark(self, name: str, stored: Stored) -> str:
        return hmac.digest(self.fingerprint_key, json.dumps([name, stored.sha256]).encode(), "sha256").hex()


def attachment_view(row: RowMapping) -> AttachmentView:
    """A file to show."""
    shown: dict[str, Any] = {**row, "updated_at": row["created_at"], "version": 1}
    return AttachmentView.model_validate(shown, by_name=True)
