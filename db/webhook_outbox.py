"""Deliveries to webhooks as the dispatcher sees them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow
from sqlalchemy import text

from db.outbox import Pool, rows
from db.statements import Statement

PUMP: Final = Statement(text("select pump_webhooks(:most) as made"))
LEASE: Final = Statement(text("select * from lease_webhook_deliveries(:busy, :most, :seconds)"))

# A webhook that answers is well; one that fails rests, twice as long each time, so that what waits for it wears nobody out.
DELIVERED: Final = Statement(
    text("""
with well as (update webhooks set failures = 0, rests_until = null where id = :webhook and failures > 0)
update webhook_deliveries
set delivered_at = clock_timestamp(), leased_until = null, last_error = null, response_status = :status
where id = :id and delivered_at is null and dead_at is null
""")
)
FAILED: Final = Statement(
    text("""
with ill as (
    update webhooks
    set failures = failures + 1, rests_until = clock_timestamp() + least(interval '1 s' * 2 ^ least(failures, 9), interval '5 min')
    where id = :webhook
)
update webhook_deliveries
set leased_until = null, last_error = :error, response_status = cast(:status as integer),
    not_before = coalesce(cast(:at as timestamptz), not_before),
    dead_at = case when cast(:at as timestamptz) is null then clock_timestamp() end
where id = :id and delivered_at is null and dead_at is null
""")
)
# The lease tells the first of them only: the release before would not take further columns of it.
SECRETS: Final = Statement(
    text("""
select array_remove(array[secret, case when previous_secret_until > clock_timestamp() then previous_secret end], null) as secrets
from webhooks where id = :id
""")
)
SUBJECT: Final = Statement(text("select number, subject from support_tickets where id = :id"))


async def pump(pool: Pool, most: int) -> int:
    """Make deliveries of the events since the last time, at most so many per webhook. Returns how many there were."""
    async with pool.connection() as connection:
        found = await rows(connection, PUMP, most=most)
    return int(found[0]["made"])


async def lease_deliveries(pool: Pool, busy: Sequence[UUID], most: int, seconds: int) -> list[DictRow]:
    """Due deliveries, one per webhook, ours for so many seconds."""
    async with pool.connection() as connection:
        return await rows(connection, LEASE, busy=list(busy), most=most, seconds=seconds)
