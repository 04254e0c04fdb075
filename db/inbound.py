"""Mail that came in: filed, leased, settled, and looked at. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    RowMapping,
    Uuid,
    bindparam,
    func,
    literal,
    null,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.inbound import inbound_mails
from db.tables.metadata import INSTANT

Row = RowMapping

M: Final = inbound_mails.c
HIDDEN: Final = ("tenant_id", "raw", "plan", "dedupe_key", "content_hash", "lease_id", "leased_until", "not_before")
SHOWN: Final = [column for column in inbound_mails.c if column.name not in HIDDEN]

# Of a repeat the id is there too, not only the key from which it derives: any index may say so first.
FILE: Final = insert(inbound_mails).on_conflict_do_nothing().returning(M.id)
SAME: Final = select(M.id, M.content_hash).where(M.mailbox_id == bindparam("mailbox"), M.dedupe_key == bindparam("key"))
LEASE: Final = text("select * from lease_mails(:lease, :most, :seconds, :large, :most_large)").bindparams(
    bindparam("lease", type_=Uuid)
)
RENEW: Final = text("select * from renew_mails(:ids, :leases, :seconds)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)), bindparam("leases", type_=ARRAY(Uuid))
)
MINE: Final = (M.id == bindparam("mail"), M.lease_id == bindparam("lease"), M.state == "RECEIVED")
LEASED: Final = select(inbound_mails).where(*MINE)
MAIL: Final = select(*SHOWN).where(M.id == bindparam("mail"))
RAW: Final = select(M.raw, M.envelope_sender).where(M.id == bindparam("mail"))
FREE: Final = {"lease_id": null(), "leased_until": null()}
MOVED: Final = {"version": M.version + 1, "updated_at": func.clock_timestamp()}


@dataclass(frozen=True)
class Leased:
    """A mail that is ours for a while; one that is leased again, by whomever, has another lease."""

    id: UUID
    tenant_id: UUID
    lease_id: UUID
    size: int


async def file_mail(connection: AsyncConnection, values: Mapping[str, Any]) -> UUID | None:
    """Write a mail that came; None when it is there already."""
    found: UUID | None = (await connection.execute(FILE, dict(values))).scalar()
    return found


async def same_mail(connection: AsyncConnection, mailbox_id: UUID, key: str) -> Row:
    """The mail that is there already."""
    return (await connection.execute(SAME, {"mailbox": mailbox_id, "key": key})).mappings().one()


async def lease(
    connection: AsyncConnection, lease_id: UUID, most: int, seconds: float, *, large: int, most_large: int
) -> list[Leased]:
    """Take mails of any tenant, the oldest first; of those from `large` bytes on `most_large` at most.

    Their leases end by themselves after `seconds`; `lease_id` was never used before.
    """
    values = {"lease": lease_id, "most": most, "seconds": seconds, "large": large, "most_large": most_large}
    rows = await connection.execute(LEASE, values)
    return [Leased(row.id, row.tenant_id, lease_id, row.size) for row in rows]


async def renew(connection: AsyncConnection, mails: Sequence[Leased], seconds: float) -> set[tuple[UUID, UUID]]:
    """Keep what was leased for `seconds` more: mail and lease of those that are ours still."""
    values = {"ids": [each.id for each in mails], "leases": [each.lease_id for each in mails], "seconds": seconds}
    return {(row.id, row.lease_id) for row in await connection.execute(RENEW, values)}


async def leased(connection: AsyncConnection, mail: Leased) -> Row | None:
    """A mail that is ours, whole; None when it is not any more."""
    return (await connection.execute(LEASED, {"mail": mail.id, "lease": mail.lease_id})).mappings().first()


async def settle(connection: AsyncConnection, mail_id: UUID, lease_id: UUID, **values: Any) -> bool:
    """Write what became of a mail, and leave it; False when it is no longer ours."""
    statement = update(inbound_mails).where(*MINE).values(**values, **FREE, **MOVED)
    return (await connection.execute(statement, {"mail": mail_id, "lease": lease_id})).rowcount > 0


async def note_plan(connection: AsyncConnection, mail_id: UUID, lease_id: UUID, plan: Mapping[str, Any]) -> bool:
    """Write what is about to be done; False when the mail is no longer ours."""
    statement = update(inbound_mails).where(*MINE).values(plan=dict(plan))
    return (await connection.execute(statement, {"mail": mail_id, "lease": lease_id})).rowcount > 0


async def put_back(connection: AsyncConnection, mail: Leased, seconds: float, *, blameless: bool) -> None:
    """Leave a mail to whoever comes after `seconds`; `blameless` when it was not the mail that hindered us."""
    later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    values: dict[str, Any] = {"not_before": later, **({"attempts": 0} if blameless else {})}
    await connection.execute(
        update(inbound_mails).where(*MINE).values(**values, **FREE), {"mail": mail.id, "lease": mail.lease_id}
    )


async def find_mail(connection: AsyncConnection, mail_id: UUID) -> Row | None:
    """One mail without its content."""
    return (await connection.execute(MAIL, {"mail": mail_id})).mappings().first()


async def find_raw(connection: AsyncConnection, mail_id: UUID) -> Row | None:
    """A mail as it came, with its envelope's sender."""
    return (await connection.execute(RAW, {"mail": mail_id})).mappings().first()


async def list_mails(
    connection: AsyncConnection,
    *,
    count: int,
    after: tuple[datetime, UUID] | None,
    state: str | None,
    reason: str | None,
    ticket_id: UUID | None,
) -> Sequence[Row]:
    """Mails, the newest first."""
    query = select(*SHOWN)
    for column, wanted in ((M.state, state), (M.reason, reason), (M.ticket_id, ticket_id)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        there = tuple_(literal(after[0], INSTANT), literal(after[1], M.id.type))
        query = query.where(tuple_(M.received_at, M.id) < there)
    query = query.order_by(M.received_at.desc(), M.id.desc()).limit(count)
    return (await connection.execute(query)).mappings().all()


async def lock_mail(connection: AsyncConnection, mail_id: UUID) -> Row | None:
    """One mail without its content; nobody else changes it until the transaction ends."""
    return (await connection.execute(MAIL.with_for_update(), {"mail": mail_id})).mappings().first()


async def move_mail(connection: AsyncConnection, mail_id: UUID, **values: Any) -> Row:
    """Change a locked mail, as people decide; it is nobody's then."""
    statement = update(inbound_mails).where(M.id == mail_id).values(**values, **FREE, **MOVED).returning(*SHOWN)
    return (await connection.execute(statement)).mappings().one()
