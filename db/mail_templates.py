"""A tenant's own wordings of its mails to customers. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement

Row = RowMapping

ALL: Final = text("select name, subject, text, updated_at, version from mail_templates order by name")
WORDINGS: Final = Statement(text("select name, subject, text from mail_templates"))
"""The same for the dispatcher."""

# Who words a mail for the first time finds no row of it to lock.
LOCK: Final = text("""
select from tenants where id = nullif(current_setting('summit.tenant', true), '')::uuid for no key update
""")
# Whoever sends mail learns by the revision that what it has kept is out of date.
PUT: Final = text("""
with moved as (
    update tenants set mail_revision = mail_revision + 1 where id = nullif(current_setting('summit.tenant', true), '')::uuid
    returning mail_revision
)
insert into mail_templates (name, subject, text, version)
select :name, cast(:subject as text), cast(:text as text), mail_revision from moved
on conflict (tenant_id, name) do update
set subject = excluded.subject, text = excluded.text, version = excluded.version, updated_at = now()
""")
DROP: Final = text("""
with moved as (
    update tenants set mail_revision = mail_revision + 1 where id = nullif(current_setting('summit.tenant', true), '')::uuid
)
delete from mail_templates where name = :name
""")


async def own_wordings(connection: AsyncConnection, *, lock: bool = False) -> Sequence[Row]:
    """What the tenant words itself; with `lock` nobody else changes that until the transaction ends."""
    if lock:
        await connection.execute(LOCK)
    return (await connection.execute(ALL)).mappings().all()


async def put_wording(connection: AsyncConnection, name: str, subject: str | None, wording: str | None) -> None:
    """Word a mail; what is None is worded as ever."""
    await connection.execute(PUT, {"name": name, "subject": subject, "text": wording})


async def drop_wording(connection: AsyncConnection, name: str) -> None:
    """Word a mail as ever."""
    await connection.execute(DROP, {"name": name})
