"""Addresses that get no mail, and the refusals that lead to it. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement

Row = RowMapping

ADD: Final = text("""
insert into mail_suppressions (address, reason, status) values (:address, :reason, :status) on conflict do nothing
""")
FIND: Final = text("select address, reason, status, created_at from mail_suppressions where address = :address")
LIST: Final = text("""
select address, reason, status, created_at from mail_suppressions
where cast(:after_at as timestamptz) is null
   or (created_at, address) < (cast(:after_at as timestamptz), cast(:after_address as text))
order by created_at desc, address desc limit :count
""")
# What was refused before counts no more, or the next refusal would suppress the address at once.
LIFT: Final = text("""
with forgotten as (delete from mail_refusals where address = :address)
delete from mail_suppressions where address = :address
""")

# The second notice within a week that a server refuses for good suppresses the address; an attempt that is repeated after a
# crash is the same notice.
REFUSED: Final = Statement(
    text("""
with old as (
    delete from mail_refusals where at <= clock_timestamp() - interval '7 days'
), noted as (
    insert into mail_refusals (address, notification_id) values (:address, :notice) on conflict do nothing
)
insert into mail_suppressions (address, reason, status)
select cast(:address as text), cast(:reason as text), cast(:status as text) where exists (
    select from mail_refusals r
    where r.address = :address and r.notification_id <> :notice and r.at > clock_timestamp() - interval '7 days'
)
on conflict do nothing
""")
)


async def add(connection: AsyncConnection, address: str, reason: str, status: str | None = None) -> bool:
    """Send no more mail to an address; False when that was so before, and stays as it was."""
    values = {"address": address.lower(), "reason": reason, "status": status}
    return (await connection.execute(ADD, values)).rowcount > 0


async def find(connection: AsyncConnection, address: str) -> Row | None:
    """Why an address gets no mail; None when it does."""
    return (await connection.execute(FIND, {"address": address.lower()})).mappings().first()


async def list_suppressed(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, str] | None
) -> Sequence[Row]:
    """The addresses that get no mail, the latest first."""
    at, address = after if after is not None else (None, None)
    values = {"after_at": at, "after_address": address, "count": count}
    return (await connection.execute(LIST, values)).mappings().all()


async def lift(connection: AsyncConnection, address: str) -> bool:
    """Send mail to an address again; False when that was so before."""
    return (await connection.execute(LIFT, {"address": address.lower()})).rowcount > 0
