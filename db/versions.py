"""Records whose versions are rows (`db/tables/versions.py`): the current ones, all of one, and the next one under a lock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Label,
    RowMapping,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.identity import tenants

Row = RowMapping

_own: Final[ColumnElement[bool]] = tenants.c.id == cast(
    func.nullif(func.current_setting("summit.tenant", True), ""), Uuid
)
LOCK: Final = select(tenants.c.sla_revision).where(_own).with_for_update(key_share=True)
BUMP: Final = update(tenants).where(_own).values(sla_revision=tenants.c.sla_revision + 1)

_record = bindparam("record", type_=Uuid)
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)
_active = cast(bindparam("active"), Boolean)
_below = bindparam("below", type_=Integer)


async def lock_policy(connection: AsyncConnection) -> None:
    """Nobody else writes a version in this tenant until the transaction ends, so what is judged across records stays true."""
    await connection.execute(LOCK)


class Versioned:
    """The statements over one such table; a list can be narrowed by the values of `choices`, and shows the `extras` too."""

    def __init__(self, table: Table, *choices: str, extras: Sequence[Label[Any]] = ()) -> None:
        self.table = table
        self.columns = [*(column for column in table.c if column.name != "tenant_id"), *extras]
        self.current: Final = table.c.superseded_at.is_(None)
        self._one = select(*self.columns).where(self.current, table.c.id == _record)
        self._choices = choices
        self._list = (
            select(*self.columns)
            .where(
                self.current,
                table.c.active == _active,
                or_(_after_at.is_(None), func.row(table.c.created_at, table.c.id) < func.row(_after_at, _after_id)),
                *(_chosen(table, name) for name in choices),
            )
            .order_by(table.c.created_at.desc(), table.c.id.desc())
            .limit(bindparam("count"))
        )
        self._versions = (
            select(*self.columns)
            .where(table.c.id == _record, or_(_below.is_(None), table.c.version < _below))
            .order_by(table.c.version.desc())
            .limit(bindparam("count"))
        )
        self._supersede = (
            update(table)
            .where(self.current, table.c.id == _record)
            .values(superseded_at=func.clock_timestamp())
            .returning(table.c.superseded_at)
        )

    async def find(self, connection: AsyncConnection, record_id: UUID, *, lock: bool = False) -> Row | None:
        """The current version of a record, also of one that has ended; with `lock` no other one follows meanwhile."""
        statement = self._one.with_for_update(of=self.table) if lock else self._one
        return (await connection.execute(statement, {"record": record_id})).mappings().first()

    async def page(
        self,
        connection: AsyncConnection,
        *,
        count: int,
        after: tuple[datetime, UUID] | None,
        active: bool,
        **chosen: Sequence[str] | None,
    ) -> Sequence[Row]:
        """Current versions of the records that are in force, or of those that have ended; the newest record first."""
        at, last = after if after is not None else (None, None)
        values: dict[str, Any] = {"after_at": at, "after_id": last, "count": count, "active": active}
        values |= {name: chosen.get(name) for name in self._choices}
        return (await connection.execute(self._list, values)).mappings().all()

    async def versions(
        self, connection: AsyncConnection, record_id: UUID, *, count: int, below: int | None
    ) -> Sequence[Row]:
        """The versions of a record from `below` down, the newest first."""
        values = {"record": record_id, "count": count, "below": below}
        return (await connection.execute(self._versions, values)).mappings().all()

    async def add(self, connection: AsyncConnection, values: Mapping[str, Any], author_id: UUID) -> None:
        """Write the first version of a record."""
        await connection.execute(insert(self.table).values(_bound({**values, "version": 1, "author_id": author_id})))
        await connection.execute(BUMP)

    async def change(
        self, connection: AsyncConnection, before: Row, changes: Mapping[str, Any], author_id: UUID
    ) -> bool:
        """Write the next version of a locked record, unless nothing would be different; whether there is one."""
        if all(before[name] == value for name, value in changes.items()):
            return False
        at = (await connection.execute(self._supersede, {"record": before["id"]})).scalar_one()
        kept = {column.name: before[column.name] for column in self.table.c if column.name != "tenant_id"}
        version = {"version": before["version"] + 1, "updated_at": at, "superseded_at": None, "author_id": author_id}
        await connection.execute(insert(self.table).values(_bound({**kept, **changes, **version})))
        await connection.execute(BUMP)
        return True

    async def end(self, connection: AsyncConnection, before: Row, author_id: UUID) -> None:
        """Take a locked record out of force: its last version stays, inactive."""
        await self.change(connection, before, {"active": False}, author_id)


def _chosen(table: Table, name: str) -> ColumnElement[bool]:
    wanted = bindparam(name, type_=ARRAY(Text))
    return or_(wanted.is_(None), table.c[name] == func.any(wanted))


def _bound(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing is NULL in a JSON column too, and not the JSON value null."""
    return {name: null() if value is None else value for name, value in values.items()}
