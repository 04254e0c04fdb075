"""Saved views of the ticket list, and who may read them. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, RowMapping, Uuid, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.desk import ticket_views
from db.tables.identity import team_members

Row = RowMapping

V: Final = ticket_views.c
SHOWN: Final = [column for column in ticket_views.c if column.name != "tenant_id"]

_reader = bindparam("reader", type_=Uuid)
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)
_teams = select(team_members.c.team_id).where(team_members.c.user_id == _reader)
_readable = or_(V.owner_id == _reader, V.shared, V.team_id.in_(_teams))

VIEW: Final = select(*SHOWN, _readable.label("readable")).where(V.id == bindparam("view", type_=Uuid))
VIEW_FOR_UPDATE: Final = VIEW.with_for_update(of=ticket_views)
VIEWS: Final = (
    select(*SHOWN)
    .where(_readable, or_(_after_at.is_(None), func.row(V.created_at, V.id) < func.row(_after_at, _after_id)))
    .order_by(V.created_at.desc(), V.id.desc())
    .limit(bindparam("count"))
)
# One's own come first.
COUNTED: Final = (
    select(*SHOWN)
    .where(_readable)
    .order_by((V.owner_id == _reader).desc(), V.created_at.desc(), V.id.desc())
    .limit(bindparam("count"))
)
DELETE: Final = delete(ticket_views).where(V.id == bindparam("view", type_=Uuid))


async def find_view(connection: AsyncConnection, view_id: UUID, reader: UUID, *, lock: bool = False) -> Row | None:
    """One view, and whether it is `readable` for somebody."""
    statement = VIEW_FOR_UPDATE if lock else VIEW
    return (await connection.execute(statement, {"view": view_id, "reader": reader})).mappings().first()


async def list_views(
    connection: AsyncConnection, reader: UUID, *, count: int, after: tuple[datetime, UUID] | None
) -> Sequence[Row]:
    """The views that somebody may read, the newest first."""
    at, last = after if after is not None else (None, None)
    values = {"reader": reader, "count": count, "after_at": at, "after_id": last}
    return (await connection.execute(VIEWS, values)).mappings().all()


async def views_to_count(connection: AsyncConnection, reader: UUID, count: int) -> Sequence[Row]:
    """The views that somebody sees beside the list: the own ones, then the newest of the others."""
    return (await connection.execute(COUNTED, {"reader": reader, "count": count})).mappings().all()


async def add_view(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write a view."""
    await connection.execute(insert(ticket_views), dict(values))


async def change_view(connection: AsyncConnection, before: Row, changes: Mapping[str, Any]) -> None:
    """Change a locked view; the version moves when something has."""
    moved = {name: value for name, value in changes.items() if before[name] != value}
    if moved:
        await connection.execute(
            update(ticket_views)
            .where(V.id == before["id"])
            .values(**moved, version=V.version + 1, updated_at=func.now())
        )


async def delete_view(connection: AsyncConnection, view_id: UUID) -> None:
    """Drop a view."""
    await connection.execute(DELETE, {"view": view_id})
