"""API keys, each by its hash. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, RowMapping, Text, Uuid, bindparam, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.api_keys import api_keys

Row = RowMapping

K: Final = api_keys.c
COLUMNS: Final = [column for column in K if column.name not in ("tenant_id", "hash")]

_id = bindparam("key", type_=Uuid)
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)
_newest_first = (K.created_at.desc(), K.id.desc())
_after = or_(_after_at.is_(None), func.row(K.created_at, K.id) < func.row(_after_at, _after_id))

KEY: Final = select(*COLUMNS).where(K.id == _id)
KEY_FOR_UPDATE: Final = KEY.add_columns(K.hash).with_for_update()
IN_FORCE: Final = (
    select(*COLUMNS).where(_after, K.revoked_at.is_(None)).order_by(*_newest_first).limit(bindparam("count"))
)
REVOKED: Final = (
    select(*COLUMNS).where(_after, K.revoked_at.is_not(None)).order_by(*_newest_first).limit(bindparam("count"))
)
REVOKE: Final = (
    update(api_keys)
    .where(K.id == _id, K.revoked_at.is_(None))
    .values(revoked_at=func.clock_timestamp(), updated_at=func.now(), version=K.version + 1)
)
HOLDER: Final = text("select * from api_key_holder(:hash)").bindparams(bindparam("hash", type_=Text))
NOTE_USE: Final = text("select note_api_key_use(:ids, :instants)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)), bindparam("instants", type_=ARRAY(DateTime(timezone=True)))
)


async def key_holder(connection: AsyncConnection, key_hash: str) -> Row | None:
    """Tenant and principal of a key that is good, whichever tenant's it is."""
    return (await connection.execute(HOLDER, {"hash": key_hash})).mappings().first()


async def note_use(connection: AsyncConnection, used: Mapping[UUID, datetime]) -> None:
    """Write down when keys were used, each at most once a minute."""
    await connection.execute(NOTE_USE, {"ids": list(used), "instants": list(used.values())})


async def find_key(connection: AsyncConnection, key_id: UUID, *, lock: bool = False) -> Row | None:
    """One key; with `lock` its hash too, and nobody else changes it until the transaction ends."""
    return (await connection.execute(KEY_FOR_UPDATE if lock else KEY, {"key": key_id})).mappings().first()


async def list_keys(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, UUID] | None, revoked: bool
) -> Sequence[Row]:
    """The keys that were not revoked, or those that were, the newest first."""
    at, last = after if after is not None else (None, None)
    values = {"after_at": at, "after_id": last, "count": count}
    return (await connection.execute(REVOKED if revoked else IN_FORCE, values)).mappings().all()


async def add_key(connection: AsyncConnection, values: Mapping[str, Any]) -> Row:
    """Write a key, and find it as it is now."""
    return (await connection.execute(insert(api_keys).returning(*COLUMNS), values)).mappings().one()


async def revoke_key(connection: AsyncConnection, key_id: UUID) -> None:
    """End a key for good; the second time nothing happens."""
    await connection.execute(REVOKE, {"key": key_id})
