"""Records that people put in an order: by position, of equal ones the older first. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    RowMapping,
    Table,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

Row = RowMapping
Place = tuple[int, datetime, UUID]

_record = bindparam("record", type_=Uuid)
_after = (
    bindparam("after_position", type_=Integer),
    bindparam("after_at", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid),
)
_active = cast(bindparam("active"), Boolean)

# As a change of the SLA does: positions and numbers are certain, and foreign keys of others do not wait for it.
LOCK: Final = text(
    "select from tenants where id = nullif(current_setting('summit.tenant', true), '')::uuid for no key update"
)


async def one_at_a_time(connection: AsyncConnection) -> None:
    """Nobody else adds a record to an order of this tenant until the transaction ends."""
    await connection.execute(LOCK)


class Ordered:
    """The statements over one such table; `there` says which of its rows exist for its readers."""

    def __init__(self, table: Table, there: ColumnElement[bool] | None = None) -> None:
        self.table: Final = table
        exists = true() if there is None else there
        place = (table.c.position, table.c.created_at, table.c.id)
        self.columns: Final = [column for column in table.c if column.name not in ("tenant_id", "deleted_at")]
        self._one = select(*self.columns).where(exists, table.c.id == _record)
        self._all = (
            select(*self.columns)
            .where(
                exists,
                or_(_active.is_(None), table.c.active == _active),
                or_(_after[0].is_(None), func.row(*place) > func.row(*_after)),
            )
            .order_by(*place)
            .limit(bindparam("count"))
        )
        self._measure = select(func.coalesce(func.max(table.c.position), 0), func.count()).where(exists)
        self._delete = delete(table).where(table.c.id == _record)

    async def find(self, connection: AsyncConnection, record_id: UUID, *, lock: bool = False) -> Row | None:
        """One record; with `lock` nobody else changes it until the transaction ends."""
        statement = self._one.with_for_update() if lock else self._one
        return (await connection.execute(statement, {"record": record_id})).mappings().first()

    async def page(
        self, connection: AsyncConnection, *, count: int, after: Place | None, active: bool | None = None
    ) -> Sequence[Row]:
        """Records in their order, behind a place."""
        position, at, last = after if after is not None else (None, None, None)
        values = {"after_position": position, "after_at": at, "after_id": last, "count": count, "active": active}
        return (await connection.execute(self._all, values)).mappings().all()

    async def measure(self, connection: AsyncConnection) -> tuple[int, int]:
        """The last position, and how many records there are."""
        last, number = (await connection.execute(self._measure)).one()
        return int(last), int(number)

    async def add(self, connection: AsyncConnection, values: Mapping[str, Any]) -> None:
        """Write a record."""
        await connection.execute(insert(self.table), dict(values))

    async def change(self, connection: AsyncConnection, before: Row, changes: Mapping[str, Any]) -> None:
        """Change a locked record; the version moves when something has."""
        moved = {name: value for name, value in changes.items() if before[name] != value}
        if moved:
            await connection.execute(
                update(self.table)
                .where(self.table.c.id == before["id"])
                .values(**moved, version=self.table.c.version + 1, updated_at=func.now())
            )

    async def delete(self, connection: AsyncConnection, record_id: UUID) -> None:
        """Drop a record."""
        await connection.execute(self._delete, {"record": record_id})


def place(seen: Sequence[Any] | None) -> Place | None:
    """The place in a cursor's values."""
    return None if seen is None else (seen[0], datetime.fromisoformat(seen[1]), UUID(seen[2]))


def keys(row: Row) -> list[str | int | None]:
    """A record's place, for a cursor."""
    return [row["position"], row["created_at"].isoformat(), str(row["id"])]
