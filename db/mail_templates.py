"""A tenant's own wordings of its mails to customers. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement

Row = RowMapping

ALL: Final = text("select name, subject, text, updated_at from mail_templates order by name")
WORDINGS: Final = Statement(text("select name, subject, text from mail_templates"))
"""The same for the dispatcher."""

# Whoever sends mail learns by the revision that what it has kept is out of date.
PUT: Final = text("""
with moved as (
    update tenants set mail_revision = mail_revision + 1 where id = nullif(current_setting('summit.tenant', true), '')::uuid
)
insert into mail_templates (name, subject, text) values (:name, :subject, :text)
on conflict (tenant_id, name) do update set subject = excluded.subject, text = excluded.text, updated_at = now()
""")
DROP: Final = text("""
with moved as (
    update tenants set mail_revision = mail_revision + 1 where id = nullif(current_setting('summit.tenant', true), '')::uuid
)
delete from mail_templates where name = :name
""")


async def own_wordings(connection: AsyncConnection) -> Sequence[Row]:
    """What the tenant words itself."""
    return (await connection.execute(ALL)).mappings().all()


async def put_wording(connection: AsyncConnection, name: str, subject: str | None, wording: str | None) -> None:
    """Word a mail; what is None is worded as ever."""
    await connection.execute(PUT, {"name": name, "subject": subject, "text": wording})


async def drop_wording(connection: AsyncConnection, name: str) -> None:
    """Word a mail as ever."""
    await connection.execute(DROP, {"name": name})
