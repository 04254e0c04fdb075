"""The definitions of custom fields. The caller owns the transaction."""

from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from db.positions import Ordered
from db.tables.desk import ticket_fields
from domain.tickets.fields import Definition, Definitions

F: Final = ticket_fields.c

FIELDS: Final = Ordered(ticket_fields, F.deleted_at.is_(None))
VISIBLE: Final = Ordered(ticket_fields, F.deleted_at.is_(None) & F.active & F.customer_visible)
"""The fields that customers see."""

# Of a key that was defined again after it was deleted, only the latest counts.
KNOWN: Final = (
    select(
        F.key,
        F.type,
        F.options,
        F.required,
        F.customer_visible,
        F.customer_editable,
        (F.active & F.deleted_at.is_(None)).label("live"),
        F.position,
        F.created_at,
    )
    .ext(distinct_on(F.key))
    .order_by(F.key, F.deleted_at.desc().nulls_first())
)
END: Final = (
    update(ticket_fields)
    .where(F.id == bindparam("field", type_=Uuid))
    .values(deleted_at=func.now(), active=False, version=F.version + 1, updated_at=func.now())
)


async def definitions(connection: AsyncConnection) -> Definitions:
    """All that the transaction's tenant has ever defined."""
    rows = (await connection.execute(KNOWN)).mappings().all()
    ordered = sorted(rows, key=lambda row: (row["position"], row["created_at"]))
    names = Definition.model_fields
    return Definitions([Definition.model_validate({name: row[name] for name in names}) for row in ordered])


async def end_field(connection: AsyncConnection, field_id: UUID) -> None:
    """Delete a definition, and remember what it hid; its key is free for another one."""
    await connection.execute(END, {"field": field_id})
