"""The outbox as its dispatcher sees it: leases across tenants; everything else in the transaction of one tenant."""

from collections.abc import AsyncIterator, Mapping, Sequence
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
from db.undelivered import GIVE_UP, given_up

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

SET_TENANT: Final = Statement(text("select set_config('summit.tenant', :tenant, true)"))

LEASE: Final = Statement(text("select * from lease_notifications(:wanted, :busy, :most, :seconds)"))

STATE: Final = Statement(text("select * from outbox_state()"))
PRUNE_EVENTS: Final = Statement(text("select prune_events(:before, :most) as gone"))
PRUNE_MAILS: Final = Statement(text("select prune_mails(:discarded, :done, :most) as gone"))
PRUNE_THREADS: Final = Statement(text("select prune_mail_threads(:before, :most) as gone"))
PRUNE_DELIVERIES: Final = Statement(text("select prune_deliveries(:before, :most) as gone"))
PRUNE_JOBS: Final = Statement(text("select prune_jobs(:before, :most) as gone"))

FACTS: Final = Statement(text("select * from notification_facts(:ids, :direct, :since)"))
DELIVER: Final = Statement(text("select deliver_notifications(:ids) as told"))

GROUP: Final = """
select u.id, u.preferences from users u
where u.active and case cast(:kind as text)
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
# All the copies there are to make, so nothing is left to do for the row itself.
HAND_ON: Final = Statement(
    FAN_OUT.clause,
    text("""
update notifications set delivered_at = clock_timestamp(), leased_until = null, last_error = null
where id = :parent and delivered_at is null and dead_at is null
"""),
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
RENEW: Final = Statement(
    text("""
update notifications set leased_until = clock_timestamp() + make_interval(secs => :seconds)
where id = :id and leased_until >= clock_timestamp() and delivered_at is null and dead_at is null
returning id
""")
)
HELD: Final = Statement(
    text("""
update notifications set not_before = :at, leased_until = null, last_error = null, attempts = greatest(attempts - 1, 0)
where id = :id and delivered_at is null and dead_at is null
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


async def lease(
    pool: Pool,
    wanted: Sequence[str],
    busy: Sequence[str],
    most: int,
    seconds: int,
    *,
    direct: Sequence[str],
    since: datetime,
) -> list[DictRow]:
    """Due rows of these channels, each recipient at most once, ours for so many seconds; each with its `facts`."""
    async with pool.connection() as connection:
        leased = await rows(connection, LEASE, wanted=list(wanted), busy=list(busy), most=most, seconds=seconds)
        if not leased:
            return []
        ids = [row["id"] for row in leased]
        known = {row["id"]: row for row in await rows(connection, FACTS, ids=ids, direct=list(direct), since=since)}
    return [{**row, "facts": known[row["id"]]} for row in leased if row["id"] in known]


async def deliver(pool: Pool, ids: Sequence[UUID]) -> None:
    """Note that these rows have been delivered, whosever they are, and what the digests among them tell of."""
    async with pool.connection() as connection:
        await connection.execute(DELIVER.text, {"ids": list(ids)})


async def fan_out(connection: Connection, parent: UUID, copies: Sequence[dict[str, Any]]) -> None:
    """Write a copy for each person and channel; who was told of the same thing before is left out."""
    await connection.execute(FAN_OUT.text, {"parent": parent, "copies": to_json(copies).decode()})


async def hand_on(pool: Pool, tenant_id: UUID, parent: UUID, copies: Sequence[dict[str, Any]]) -> None:
    """Write these copies and settle the row itself."""
    await once(pool, tenant_id, HAND_ON, {"parent": parent, "copies": to_json(copies).decode()})


async def renew(pool: Pool, tenant_id: UUID, row_id: UUID, seconds: int) -> bool:
    """Keep a row for so many seconds more; False when its lease has ended and others may have it."""
    async with as_tenant(pool, tenant_id) as connection:
        return await row(connection, RENEW, id=row_id, seconds=seconds) is not None


async def fail(pool: Pool, tenant_id: UUID, row_id: UUID, error: str, again_at: datetime | None) -> None:
    """Say why a delivery failed: it is tried again, or never when there is no `again_at`, and of an answer the staff are told."""
    if again_at is None:
        await once(pool, tenant_id, GIVE_UP, given_up(row_id, error))
    else:
        await once(pool, tenant_id, LATER, {"id": row_id, "error": error, "at": again_at})


async def once(pool: Pool, tenant_id: UUID, statement: Statement, values: Mapping[str, Any]) -> None:
    """One statement that sees one tenant, in one round trip."""
    async with pool.connection() as connection, connection.pipeline(), connection.transaction():
        await connection.execute(SET_TENANT.text, {"tenant": str(tenant_id)})
        await connection.execute(statement.text, values)
