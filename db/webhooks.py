"""Webhooks and the log of what they were told. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, RowMapping, Uuid, bindparam, delete, func, insert, null, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.webhooks import webhooks

Row = RowMapping

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before signs beside a new one, so that a receiver may learn of it meanwhile."""

HIDDEN: Final = ("tenant_id", "secret", "previous_secret", "failures", "rests_until", "after_xid", "after_seq")
COLUMNS: Final = [column for column in webhooks.c if column.name not in HIDDEN]

_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)

WEBHOOK: Final = select(*COLUMNS).where(webhooks.c.id == bindparam("id", type_=Uuid))
WEBHOOK_FOR_UPDATE: Final = WEBHOOK.add_columns(webhooks.c.secret).with_for_update()
WEBHOOK_LIST: Final = (
    select(*COLUMNS)
    .where(or_(_after_at.is_(None), func.row(webhooks.c.created_at, webhooks.c.id) < func.row(_after_at, _after_id)))
    .order_by(webhooks.c.created_at.desc(), webhooks.c.id.desc())
    .limit(bindparam("count"))
)
DELETE: Final = delete(webhooks).where(webhooks.c.id == bindparam("id", type_=Uuid))

DELIVERY_COLUMNS: Final = """
select d.id, d.webhook_id, d.type, d.entity, d.entity_id, d.event_seq as sequence, d.created_at, d.attempts,
    d.response_status, d.last_error, d.delivered_at, d.dead_at, d.earlier,
    case when d.delivered_at is null and d.dead_at is null then d.not_before end as next_attempt_at,
    case when d.dead_at is not null then 'DEAD' when d.delivered_at is not null then 'DELIVERED' else 'PENDING' end as state
from webhook_deliveries d where d.webhook_id = :webhook
"""
DELIVERY_LIST: Final = text(f"""
{DELIVERY_COLUMNS}
  and case cast(:state as text) when 'DEAD' then d.dead_at is not null when 'DELIVERED' then d.delivered_at is not null
      when 'PENDING' then d.delivered_at is null and d.dead_at is null else true end
  and (cast(:after_at as timestamptz) is null
       or (d.created_at, d.id) < (cast(:after_at as timestamptz), cast(:after_id as uuid)))
order by d.created_at desc, d.id desc limit :count
""")
DELIVERY: Final = text(f"{DELIVERY_COLUMNS} and d.id = :id")
REPLAY: Final = text("""
with well as (update webhooks set failures = 0, rests_until = null where id = :webhook)
update webhook_deliveries d
set earlier = case when attempts = 0 then earlier else earlier || jsonb_build_object(
        'attempts', attempts, 'responseStatus', response_status, 'error', last_error,
        'deliveredAt', to_json(delivered_at), 'deadAt', to_json(dead_at)
    ) end,
    delivered_at = null, dead_at = null, attempts = 0, last_error = null, response_status = null, not_before = clock_timestamp()
where id = :id and webhook_id = :webhook
""")


async def find_webhook(connection: AsyncConnection, webhook_id: UUID, *, lock: bool = False) -> Row | None:
    """One webhook; with `lock` its secret too, and nobody else changes it until the transaction ends."""
    statement = WEBHOOK_FOR_UPDATE if lock else WEBHOOK
    return (await connection.execute(statement, {"id": webhook_id})).mappings().first()


async def list_webhooks(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, UUID] | None
) -> Sequence[Row]:
    """Webhooks, the newest first."""
    return (await connection.execute(WEBHOOK_LIST, {**_after(after), "count": count})).mappings().all()


async def add_webhook(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write a webhook; it is told of what happens from now on."""
    await connection.execute(insert(webhooks), values)


async def change_webhook(connection: AsyncConnection, before: Row, changes: Mapping[str, Any]) -> None:
    """Change a locked webhook; the version moves when something has. What happened while it was inactive stays untold.

    Two secrets sign at most: a third one ends the first.
    """
    moved = {name: value for name, value in changes.items() if before[name] != value}
    if not moved:
        return
    if "secret" in moved:
        moved |= {"previous_secret": before["secret"], "previous_secret_until": func.now() + OVERLAP}
    now = {"after_xid": text("pg_current_xact_id()::text::bigint"), "after_seq": 0} if moved.get("active") else {}
    await connection.execute(
        update(webhooks)
        .where(webhooks.c.id == before["id"])
        .values(**moved, **now, failures=0, rests_until=null(), version=webhooks.c.version + 1, updated_at=func.now())
    )


async def delete_webhook(connection: AsyncConnection, webhook_id: UUID) -> None:
    """Drop a webhook with its log."""
    await connection.execute(DELETE, {"id": webhook_id})


async def list_deliveries(
    connection: AsyncConnection,
    webhook_id: UUID,
    *,
    count: int,
    after: tuple[datetime, UUID] | None,
    state: str | None,
) -> Sequence[Row]:
    """What a webhook was told, the newest first."""
    values = {**_after(after), "webhook": webhook_id, "count": count, "state": state}
    return (await connection.execute(DELIVERY_LIST, values)).mappings().all()


async def replay(connection: AsyncConnection, webhook_id: UUID, delivery_id: UUID) -> Row | None:
    """Have an event told again, under the same id, and find its delivery; how it ended before stays in its log."""
    values = {"webhook": webhook_id, "id": delivery_id}
    await connection.execute(REPLAY, values)
    return (await connection.execute(DELIVERY, values)).mappings().first()


def _after(after: tuple[datetime, UUID] | None) -> dict[str, Any]:
    at, last = after if after is not None else (None, None)
    return {"after_at": at, "after_id": last}
