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
on conflict (ticket_id, message_id) do update set noted_at = excluded.noted_at where mail_threads.noted_at is not null
""")
CONFIRM: Final = text("""
update mail_threads set noted_at = null where ticket_id = :ticket and message_id = :message and noted_at is not null
""")


async def note(
    connection: AsyncConnection,
    ticket_id: UUID,
    message_id: str,
    address: str,
    at: datetime,
    subject: str | None = None,
) -> None:
    """Note a mail that came, until somebody confirms that its ticket is there or nobody has noted it for a day.

    A repeat changes nothing else. A Message-ID that no header could hold is left out.
    """
    if plain := referable(message_id):
        values = {"ticket": ticket_id, "message": plain, "address": address.lower(), "subject": subject, "at": at}
        await connection.execute(NOTE, values)


async def confirm(connection: AsyncConnection, ticket_id: UUID, message_id: str) -> None:
    """Keep what was noted as long as its ticket, which is there now."""
    await connection.execute(CONFIRM, {"ticket": ticket_id, "message": referable(message_id)})


def referable(message_id: str) -> str | None:
    """A Message-ID as it is noted; None for one that no header could hold."""
    plain = message_id.strip().removeprefix("<").removesuffix(">")
    return plain if MESSAGE_ID.fullmatch(plain) else None
