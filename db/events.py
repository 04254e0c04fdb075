"""Events as listeners read them: below every transaction that is still open, in the order of (xid, seq)."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, RowMapping, Uuid, bindparam, cast, func, literal, null, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.api_keys import api_keys
from db.tables.identity import users

Row = RowMapping


class Position(NamedTuple):
    """How far somebody has read; an event is behind it when its (xid, seq) is not greater."""

    xid: int
    seq: int


HORIZON: Final = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
LIVE: Final = text("select * from live_events(:tenants, :xid, :seq, :horizon, :most)").bindparams(
    bindparam("tenants", type_=ARRAY(Uuid))
)
BETWEEN: Final = text("""
select tenant_id, xid, seq, type, entity, entity_id, version, at, internal, account_id, address, payload from events
where (xid, seq) > (:xid, :seq) and (xid, seq) <= (:to_xid, :to_seq)
order by xid, seq limit :most
""")
_ids = bindparam("ids", expanding=True, type_=Uuid)
LISTENERS: Final = (
    select(users.c.id, users.c.role, users.c.account_id, users.c.email)
    .where(users.c.id.in_(_ids), users.c.active)
    .union_all(
        select(api_keys.c.id, api_keys.c.role, cast(null(), Uuid), literal("")).where(
            api_keys.c.id.in_(_ids),
            api_keys.c.revoked_at.is_(None),
            or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.clock_timestamp()),
        )
    )
)


TYPING: Final = text("""
insert into events (tenant_id, type, entity, entity_id, version, at, internal, account_id, address, payload)
select s.tenant_id, 'ticket.typing', 'ticket', s.id, s.version, clock_timestamp(), :internal, s.account_id, s.customer_key,
  jsonb_build_object('name', cast(:name as text), 'role', cast(:role as text))
from support_tickets s where s.id = :ticket
""").bindparams(bindparam("ticket", type_=Uuid))


async def note_typing(connection: AsyncConnection, ticket_id: UUID, name: str, role: str, *, internal: bool) -> None:
    """Tell those who listen that somebody is writing on a ticket."""
    values = {"ticket": ticket_id, "name": name, "role": role, "internal": internal}
    await connection.execute(TYPING, values)


async def horizon(connection: AsyncConnection) -> Position:
    """Up to where everything is known: what comes later has a greater xid, or is committed only now."""
    return Position(int((await connection.execute(HORIZON)).scalar_one()), 0)


async def live_events(
    connection: AsyncConnection, tenants: Sequence[UUID], after: Position, to: Position, most: int
) -> Sequence[Row]:
    """What happened to these tenants between two positions."""
    values: dict[str, Any] = {
        "tenants": list(tenants),
        "xid": after.xid,
        "seq": after.seq,
        "horizon": to.xid,
        "most": most,
    }
    return (await connection.execute(LIVE, values)).mappings().all()


async def events_between(connection: AsyncConnection, after: Position, to: Position, most: int) -> Sequence[Row]:
    """What happened to the transaction's tenant between two positions."""
    values = {"xid": after.xid, "seq": after.seq, "to_xid": to.xid, "to_seq": to.seq, "most": most}
    return (await connection.execute(BETWEEN, values)).mappings().all()


async def listeners(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row]:
    """Those of these users and API keys that may still listen, as they are now."""
    return (await connection.execute(LISTENERS, {"ids": list(ids)})).mappings().all()
