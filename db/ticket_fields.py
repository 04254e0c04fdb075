"""The definitions of custom fields. The caller owns the transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from db.positions import Ordered, one_at_a_time
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
HIDE: Final = text("""
    insert into ticket_fields (key, label, type, position, active, created_at)
    select field.key, field.label, 'MULTILINE', :last + field.n, false, clock_timestamp()
    from unnest(cast(:keys as text[]), cast(:labels as text[])) with ordinality as field (key, label, n)
    on conflict do nothing
""")
AGE: Final = text("""
    select extract(epoch from clock_timestamp() - max(created_at))::float
    from ticket_fields where key = any(:keys) and not customer_visible
""")
SHOWN: Final = text("""
    select key from ticket_fields where key = any(:keys) and customer_visible and deleted_at is null order by key
""")


async def definitions(connection: AsyncConnection) -> Definitions:
    """All that the transaction's tenant has ever defined."""
    rows = (await connection.execute(KNOWN)).mappings().all()
    ordered = sorted(rows, key=lambda row: (row["position"], row["created_at"]))
    names = Definition.model_fields
    return Definitions([Definition.model_validate({name: row[name] for name in names}) for row in ordered])


async def end_field(connection: AsyncConnection, field_id: UUID) -> None:
    """Delete a definition, and remember what it hid; its key is free for another one."""
    await connection.execute(END, {"field": field_id})


async def hide_fields(connection: AsyncConnection, labels: Mapping[str, str]) -> float | None:
    """Have customers not see fields, whose labels are given by key. Safe to repeat: what is defined already is left as it is.

    The definitions are inactive, so that free fields stay free. They may be more than a tenant can add by itself: to hide
    goes before the limit, and those that are deleted go on hiding. Returns the age of the newest in seconds, if there is one.
    """
    await one_at_a_time(connection)
    hidden = (await definitions(connection)).hidden
    new = [key for key in sorted(labels) if key not in hidden]
    if new:
        last, _ = await FIELDS.measure(connection)
        await connection.execute(HIDE, {"last": last, "keys": new, "labels": [labels[key] for key in new]})
    age: float | None = (await connection.execute(AGE, {"keys": list(labels)})).scalar()
    return age


async def shown_fields(connection: AsyncConnection, keys: Collection[str]) -> Sequence[str]:
    """Those of the keys whose definitions let customers see them."""
    return (await connection.execute(SHOWN, {"keys": list(keys)})).scalars().all()
