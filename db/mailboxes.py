"""Mailboxes as records, and whose they are. The caller owns the transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    RowMapping,
    Text,
    Uuid,
    bindparam,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.mail import mailboxes

Row = RowMapping

M: Final = mailboxes.c
SHOWN: Final = [column for column in mailboxes.c if column.name != "tenant_id"]

_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)

MAILBOX: Final = select(*SHOWN).where(M.id == bindparam("mailbox"))
LIST: Final = (
    select(*SHOWN)
    .where(or_(_after_at.is_(None), func.row(M.created_at, M.id) < func.row(_after_at, _after_id)))
    .order_by(M.created_at.desc(), M.id.desc())
    .limit(bindparam("count"))
)
ADDRESSES: Final = select(M.address)
COUNT: Final = select(func.count()).select_from(mailboxes)
OTHERS: Final = update(mailboxes).where(M.is_default).values(is_default=false())
# Whoever writes mailboxes waits here: there is always one default, and never two.
LOCK: Final = text(
    "select id from tenants where id = nullif(current_setting('summit.tenant', true), '')::uuid for update"
)
OF_ADDRESSES: Final = text("select * from find_mailboxes(:wanted)").bindparams(bindparam("wanted", type_=ARRAY(Text)))
DEFAULT: Final = select(M.id, M.address).where(M.is_default, M.active)


async def lock_mailboxes(connection: AsyncConnection) -> None:
    """Let nobody else write mailboxes of the tenant until this transaction ends."""
    await connection.execute(LOCK)


async def find_mailbox(connection: AsyncConnection, mailbox_id: UUID) -> Row | None:
    """One mailbox."""
    return (await connection.execute(MAILBOX, {"mailbox": mailbox_id})).mappings().first()


async def default_mailbox(connection: AsyncConnection) -> Row | None:
    """The tenant's default mailbox."""
    return (await connection.execute(DEFAULT)).mappings().first()


async def list_mailboxes(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, UUID] | None
) -> Sequence[Row]:
    """Mailboxes, the newest first."""
    at, last = after if after is not None else (None, None)
    return (await connection.execute(LIST, {"after_at": at, "after_id": last, "count": count})).mappings().all()


async def list_addresses(connection: AsyncConnection) -> frozenset[str]:
    """The addresses of all mailboxes, also of those that take no mail any more."""
    return frozenset((await connection.execute(ADDRESSES)).scalars())


async def count_mailboxes(connection: AsyncConnection) -> int:
    """How many there are."""
    return int((await connection.execute(COUNT)).scalar_one())


async def add_mailbox(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write a mailbox; a default one takes the place of the one before."""
    if values["is_default"]:
        await connection.execute(OTHERS)
    await connection.execute(insert(mailboxes), dict(values))


async def change_mailbox(connection: AsyncConnection, before: Row, changes: Mapping[str, Any]) -> None:
    """Change a mailbox; the version moves when something has."""
    moved = {name: value for name, value in changes.items() if before[name] != value}
    if not moved:
        return
    if moved.get("is_default"):
        await connection.execute(OTHERS)
    await connection.execute(
        update(mailboxes).where(M.id == before["id"]).values(**moved, version=M.version + 1, updated_at=func.now())
    )


async def delete_mailbox(connection: AsyncConnection, mailbox_id: UUID) -> None:
    """Drop a mailbox that nothing ever came to."""
    await connection.execute(delete(mailboxes).where(M.id == mailbox_id))


async def mailboxes_of(connection: AsyncConnection, addresses: Collection[str]) -> dict[str, tuple[UUID, UUID]]:
    """The active mailboxes with these addresses, of any tenant: mailbox and tenant by address."""
    rows = await connection.execute(OF_ADDRESSES, {"wanted": list(addresses)})
    return {row["address"]: (row["id"], row["tenant_id"]) for row in rows.mappings()}
