"""Stored files and what they belong to. The caller owns the transaction."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    RowMapping,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.attachments import attachments
from db.tables.metadata import INSTANT
from db.tables.tickets import support_tickets, ticket_attachments
from db.tickets.reads import seen_by
from domain.identity import Actor

A: Final = attachments.c
X: Final = ticket_attachments.c

SHOWN: Final = (
    A.id,
    func.coalesce(X.ticket_id, A.ticket_id).label("ticket_id"),
    X.comment_id,
    func.coalesce(X.internal, False).label("internal"),
    A.file_name,
    A.content_type,
    A.size,
    A.sha256,
    A.uploaded_by,
    A.created_at,
)
BOUND: Final = attachments.outerjoin(ticket_attachments, X.attachment_id == A.id)

OF_COMMENTS: Final = (
    select(X.comment_id, A.id, A.file_name, A.content_type, A.size)
    .join_from(ticket_attachments, attachments, X.attachment_id == A.id)
    .where(X.comment_id == func.any(bindparam("comments", type_=ARRAY(Uuid))))
    .order_by(A.created_at, A.id)
)
FILES_KNOWN: Final = text("""
select count(*) = cardinality(cast(:files as uuid[])) from attachments a
where a.id = any(cast(:files as uuid[])) and (a.ticket_id is null or a.ticket_id = :origin)
  and not exists (select from ticket_attachments x where x.attachment_id = a.id)
""").bindparams(bindparam("files", type_=ARRAY(Uuid)), bindparam("origin", type_=Uuid))

# Whoever binds one of them at this moment holds its row; it is passed by.
DROP_UNUSED: Final = text("""
delete from attachments where id in (
    select a.id from attachments a
    where a.created_at < :before and not exists (select from ticket_attachments x where x.attachment_id = a.id)
    order by a.created_at, a.id limit :most for update skip locked
)
""")
KEEP: Final = upsert(attachments).on_conflict_do_nothing(index_elements=["id"])
STORED: Final = select(A.sha256).where(A.sha256 == func.any(bindparam("sums", type_=ARRAY(Text)))).distinct()


async def add_attachment(connection: AsyncConnection, values: Mapping[str, Any]) -> RowMapping:
    """Write a file that is in the store."""
    await connection.execute(insert(attachments), values)
    query = select(*SHOWN).select_from(BOUND).where(A.id == bindparam("file"))
    return (await connection.execute(query, {"file": values["id"]})).mappings().one()


async def keep_attachments(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write files that are in the store; those that are there already stay as they are."""
    await connection.execute(KEEP, [dict(row) for row in rows])


async def find_attachment(connection: AsyncConnection, actor: Actor, attachment_id: UUID) -> RowMapping | None:
    """One file, if the actor may see it."""
    query = seen(select(*SHOWN).select_from(BOUND), actor).where(A.id == attachment_id)
    found: RowMapping | None = (await connection.execute(query)).mappings().first()
    return found


async def list_attachments(
    connection: AsyncConnection, actor: Actor, ticket_id: UUID, *, count: int, after: tuple[datetime, UUID] | None
) -> Sequence[RowMapping]:
    """A page of a ticket's files that the actor may see, the newest first; those that nothing has been said with yet included."""
    # Found by either index first; a file that was uploaded here and said elsewhere is then left out.
    near = union_all(
        select(X.attachment_id).where(X.ticket_id == ticket_id), select(A.id).where(A.ticket_id == ticket_id)
    )
    of_ticket = func.coalesce(X.ticket_id, A.ticket_id) == ticket_id
    query = seen(select(*SHOWN).select_from(BOUND), actor).where(A.id.in_(near), of_ticket)
    if after is not None:
        query = query.where(
            tuple_(A.created_at, A.id) < tuple_(literal(after[0], INSTANT), literal(after[1], A.id.type))
        )
    query = query.order_by(A.created_at.desc(), A.id.desc()).limit(count)
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


def seen(query: Select[Any], actor: Actor) -> Select[Any]:
    """Staff see all files of their tenant; customers what was said in public on their tickets, and what they are about to say."""
    if actor.staff:
        return query
    ticket = select(support_tickets.c.id).where(support_tickets.c.id == X.ticket_id)
    visible: ColumnElement[bool] | None = seen_by(actor)
    of_ticket = exists(ticket if visible is None else ticket.where(visible))
    return query.where(
        or_(
            and_(X.attachment_id.is_(None), A.uploaded_by == actor.id),
            and_(X.attachment_id.is_not(None), ~X.internal, of_ticket),
        )
    )


async def attachments_of(
    connection: AsyncConnection, comments: Collection[UUID]
) -> Mapping[UUID, list[Mapping[str, Any]]]:
    """The files of these comments, by comment; none for those without."""
    found: defaultdict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    if comments:
        for row in (await connection.execute(OF_COMMENTS, {"comments": list(comments)})).mappings():
            found[row["comment_id"]].append(dict(row))
    return found


async def files_known(connection: AsyncConnection, files: Collection[UUID], origin: UUID | None) -> bool:
    """Whether a new ticket can have all these files; `origin` is the one that it follows."""
    return bool((await connection.execute(FILES_KNOWN, {"files": list(files), "origin": origin})).scalar_one())


async def drop_unused(connection: AsyncConnection, before: datetime, most: int) -> int:
    """Drop files that were uploaded before this instant and that nothing was ever said with; how many there were."""
    return (await connection.execute(DROP_UNUSED, {"before": before, "most": most})).rowcount


async def named_content(connection: AsyncConnection, sums: Collection[str]) -> set[str]:
    """Which of these checksums the tenant's files have."""
    return set((await connection.execute(STORED, {"sums": list(sums)})).scalars())
