"""The mails that came to a ticket, as what goes out answers them. The caller owns the transaction."""

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MESSAGE_ID: Final = re.compile(r"[!-;=?-~]{1,250}")
"""What stands between the brackets; longer or stranger ones cannot be referred to."""

NOTE: Final = text("""
insert into mail_threads (ticket_id, message_id, address, subject, at) values (:ticket, :message, :address, :subject, :at)
on conflict do nothing
""")


async def note(
    connection: AsyncConnection,
    ticket_id: UUID,
    message_id: str,
    address: str,
    at: datetime,
    subject: str | None = None,
) -> None:
    """Note a mail that came; a repeat changes nothing. A Message-ID that no header could hold is left out."""
    plain = message_id.strip().removeprefix("<").removesuffix(">")
    if MESSAGE_ID.fullmatch(plain):
        values = {"ticket": ticket_id, "message": plain, "address": address.lower(), "subject": subject, "at": at}
        await connection.execute(NOTE, values)
