"""The outbox as its dispatcher sees it: leases across tenants; everything else in the transaction of one tenant."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool
from pydantic_core import to_json
from sqlalchemy import text

from db.statements import Statement

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

SET_TENANT: Final = Statement(text("select set_config('summit.tenant', :tenant, true)"))

LEASE: Final = Statement(text("select * from lease_notifications(:wanted, :busy, :most, :seconds)"))

STATE: Final = Statement(text("select * from outbox_state()"))
PRUNE_EVENTS: Final = Statement(text("select prune_events(:before, :most) as gone"))
PRUNE_DELIVERIES: Final = Statement(text("select prune_deliveries(:before, :most) as gone"))

ABOUT: Final = Statement(
    text("""
select n.name as tenant, t.id as ticket_id, t.number, t.subject, t.status, t.severity, t.priority,
    c.body as comment, c.author_name as author, c.internal,
    u.id as user_id, u.email, u.name, u.role, u.active, u.preferences
from tenants n
left join support_tickets t on t.id = :process
left join ticket_comments c on c.ticket_id = t.id and c.id = cast(cast(:comment as text) as uuid)
left join users u on u.id = cast(cast(:user as text) as uuid)
where n.id = :tenant
""")
)

GROUP: Final = """
select u.id, u.preferences from users u
where u.active and case cast(:kind as text)
    when 'person' then u.id = :id
    when 'role' then u.role = :role
    when 'team' then exists (select from team_members m where m.team_id = :id and m.user_id = u.id)
    when 'lead' then exists (select from teams t where t.id = :id and t.lead_id = u.id)
end and u.id > :after
order by u.id limit :most
"""
PEOPLE: Final = Statement(text(GROUP))

FAN_OUT: Final = Statement(
    text("""
insert into notifications (id, tenant_id, process_id, revision, rung, template, recipient, channel, payload, parent_id)
select r.id, p.tenant_id, p.process_id, p.revision, p.rung, p.template, r.recipient, r.channel, p.payload, p.id
from notifications p, jsonb_to_recordset(cast(:copies as jsonb)) r(id uuid, recipient text, channel text)
where p.id = :parent
on conflict do nothing
""")
)
NEXT_PAGE: Final = Statement(
    text("update notifications set expanded_after = :last, leased_until = null, attempts = 0 where id = :id")
)

# What lets somebody set a password leaves the database with the mail.
DELIVERED: Final = Statement(
    text("""
update notifications
set delivered_at = clock_timestamp(), leased_until = null, last_error = null, payload = payload - 'token'
where (id = :id or digest_id = :id) and delivered_at is null and dead_at is null
""")
)
LATER: Final = Statement(
    text("""
update notifications set not_before = :at, leased_until = null, last_error = :error
where id = :id and delivered_at is null and dead_at is null
""")
)
HELD: Final = Statement(
    text("""
update notifications set not_before = :at, leased_until = null, attempts = greatest(attempts - 1, 0)
where id = :id and delivered_at is null and dead_at is null
""")
)
DEAD: Final = Statement(
    text("""
update notifications
set dead_at = clock_timestamp(), leased_until = null, last_error = :error, payload = payload - 'token'
where (id = :id or digest_id = :id) and delivered_at is null and dead_at is null
""")
)

FLOOD: Final = Statement(
    text("""
select count(*) filter (where delivered_at > :since) as recent, min(delivered_at) filter (where delivered_at > :since) as first,
    count(*) filter (where delivered_at is null and template <> all (cast(:direct as text[]))) as waiting
from notifications
where channel = 'EMAIL' and recipient = :recipient and dead_at is null and digest_id is null
  and created_at > cast(:since as timestamptz) - interval '2 days'
""")
)
GATHER: Final = Statement(
    text("""
with gathered as (
    select id from notifications
    where channel = 'EMAIL' and recipient = :recipient and delivered_at is null and dead_at is null and digest_id is null
      and template <> all (cast(:direct as text[]))
      and (leased_until is null or leased_until < clock_timestamp() or id = :mine)
    order by created_at, id limit :most
    for update skip locked
), taken as (
    update notifications n set digest_id = :digest, leased_until = null from gathered g where n.id = g.id
    returning n.tenant_id, n.recipient
)
insert into notifications (id, tenant_id, rung, template, recipient, channel, payload)
select cast(:digest as uuid), tenant_id, 'digest', 'digest', recipient, 'EMAIL', jsonb_build_object('count', count(*))
from taken group by tenant_id, recipient
on conflict do nothing
""")
)
GATHERED: Final = Statement(
    text("""
select n.template, n.payload, t.subject, t.number from notifications n left join support_tickets t on t.id = n.process_id
where n.digest_id = :digest order by n.created_at, n.id
""")
)


@asynccontextmanager
async def as_tenant(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """One transaction that sees one tenant."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(SET_TENANT.text, {"tenant": str(tenant_id)})
        yield connection


async def rows(connection: Connection, statement: Statement, **values: Any) -> list[DictRow]:
    """All that a statement finds."""
    return await (await connection.execute(statement.text, values)).fetchall()


async def row(connection: Connection, statement: Statement, **values: Any) -> DictRow | None:
    """The first that a statement finds."""
    return await (await connection.execute(statement.text, values)).fetchone()


async def lease(pool: Pool, wanted: Sequence[str], busy: Sequence[str], most: int, seconds: int) -> list[DictRow]:
    """Due rows of these channels, each recipient at most once, ours for so many seconds."""
    async with pool.connection() as connection:
        return await rows(connection, LEASE, wanted=list(wanted), busy=list(busy), most=most, seconds=seconds)


async def fan_out(connection: Connection, parent: UUID, copies: Sequence[dict[str, Any]]) -> None:
    """Write a copy for each person and channel; who was told of the same thing before is left out."""
    await connection.execute(FAN_OUT.text, {"parent": parent, "copies": to_json(copies).decode()})


async def settle(
    pool: Pool, tenant_id: UUID, row_id: UUID, *, again_at: datetime | None = None, error: str | None = None
) -> None:
    """Say how a delivery ended: delivered without an error; with one it is tried again, or never when there is no `again_at`."""
    statement = DELIVERED if error is None else DEAD if again_at is None else LATER
    values = {"id": row_id, "at": again_at, "error": error}
    named = {name: value for name, value in values.items() if f"%({name})s" in statement.text}
    # All of it in one round trip.
    async with pool.connection() as connection, connection.pipeline(), connection.transaction():
        await connection.execute(SET_TENANT.text, {"tenant": str(tenant_id)})
        await connection.execute(statement.text, named)
