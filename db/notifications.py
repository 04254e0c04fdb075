"""The outbox as people see it: their inbox, and for administrators the log. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.processes import notifications
from domain.process import Channel

Row = RowMapping

PLACE: Final = """(cast(:after_at as timestamptz) is null
    or (n.created_at, n.id) < (cast(:after_at as timestamptz), cast(:after_id as uuid)))"""

INBOX_COLUMNS: Final = """
select n.id, n.template, n.payload, n.process_id, n.created_at, n.read_at, t.number, t.subject, p.kind as process
from notifications n left join support_tickets t on t.id = n.process_id left join processes p on p.id = n.process_id
where n.channel = 'IN_APP' and n.recipient = cast(:person as text) and n.dead_at is null
"""
INBOX: Final = text(f"""
{INBOX_COLUMNS} and (cast(:unread as boolean) is null or (n.read_at is null) = cast(:unread as boolean)) and {PLACE}
order by n.created_at desc, n.id desc limit :count
""")
ENTRY: Final = text(f"{INBOX_COLUMNS} and n.id = :id")
READ: Final = text("""
update notifications set read_at = clock_timestamp()
where id = :id and channel = 'IN_APP' and recipient = cast(:person as text) and read_at is null
""")

LOG_COLUMNS: Final = """
select n.id, n.template, n.recipient, n.channel, n.process_id, n.parent_id, n.digest_id, n.attempts, n.created_at, n.delivered_at,
    n.dead_at, n.last_error, case when n.delivered_at is null and n.dead_at is null then n.not_before end as next_attempt_at,
    case when n.dead_at is not null then 'DEAD' when n.delivered_at is not null then 'DELIVERED' else 'PENDING' end as state
from notifications n
"""
# One statement per state, so that each finds its index.
STATES: Final[Mapping[str | None, str]] = {
    None: "true",
    "PENDING": "n.delivered_at is null and n.dead_at is null",
    "DELIVERED": "n.delivered_at is not null",
    "DEAD": "n.dead_at is not null",
}
LOGS: Final = {
    state: text(f"""
{LOG_COLUMNS} where {condition} and (cast(:channel as text) is null or n.channel = cast(:channel as text)) and {PLACE}
order by n.created_at desc, n.id desc limit :count
""")
    for state, condition in STATES.items()
}
LOGGED: Final = text(f"{LOG_COLUMNS} where n.id = :id")
LOCKED: Final = text("select n.channel, n.recipient, n.template from notifications n where n.id = :id for update")
REDELIVER: Final = text("""
update notifications
set delivered_at = null, dead_at = null, digest_id = null, expanded_after = null, attempts = 0, last_error = null,
    not_before = clock_timestamp()
where id = :id
""")
# What failed and waits for its next attempt has an error; the others were held back by what their person wanted.
FREE: Final = text("""
update notifications set not_before = clock_timestamp()
where recipient = cast(:person as text) and channel in ('EMAIL', 'SLACK') and not_before > clock_timestamp()
  and delivered_at is null and dead_at is null and digest_id is null and last_error is null
""")


async def inbox(
    connection: AsyncConnection, person: UUID, *, count: int, after: tuple[datetime, UUID] | None, unread: bool | None
) -> Sequence[Row]:
    """What a person was told in the application, the newest first."""
    values = {**_after(after), "person": str(person), "count": count, "unread": unread}
    return (await connection.execute(INBOX, values)).mappings().all()


async def read_entry(connection: AsyncConnection, person: UUID, entry: UUID) -> Row | None:
    """Note that an entry was read, at its first time, and find it."""
    await connection.execute(READ, {"id": entry, "person": str(person)})
    return (await connection.execute(ENTRY, {"id": entry, "person": str(person)})).mappings().first()


async def log(
    connection: AsyncConnection,
    *,
    count: int,
    after: tuple[datetime, UUID] | None,
    state: str | None,
    channel: str | None,
) -> Sequence[Row]:
    """Every row of the outbox, the newest first."""
    values = {**_after(after), "count": count, "channel": channel}
    return (await connection.execute(LOGS[state], values)).mappings().all()


async def find_logged(connection: AsyncConnection, row: UUID) -> Row | None:
    """One row of the log."""
    return (await connection.execute(LOGGED, {"id": row})).mappings().first()


async def lock_notification(connection: AsyncConnection, row: UUID) -> Row | None:
    """What kind of row it is, locked until the transaction ends."""
    return (await connection.execute(LOCKED, {"id": row})).mappings().first()


async def redeliver(connection: AsyncConnection, row: UUID) -> None:
    """Have a row delivered again, from now on and with all attempts, under the id that it has."""
    await connection.execute(REDELIVER, {"id": row})


async def free(connection: AsyncConnection, person: UUID) -> None:
    """Have the dispatcher judge anew what waits for a person's quiet hours to end."""
    await connection.execute(FREE, {"person": str(person)})


async def post(connection: AsyncConnection, row: UUID, template: str, person: UUID, payload: Mapping[str, Any]) -> None:
    """Mail to a person about a record, in the transaction that wrote it."""
    values = {"id": row, "rung": str(row), "template": template, "recipient": str(person), "payload": dict(payload)}
    await connection.execute(insert(notifications), {**values, "channel": Channel.EMAIL.value})


def _after(after: tuple[datetime, UUID] | None) -> dict[str, Any]:
    at, last = after if after is not None else (None, None)
    return {"after_at": at, "after_id": last}
