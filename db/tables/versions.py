"""Records whose versions are immutable rows: an edit adds one, and the row that is not superseded is the current one."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, Uuid, text
from sqlalchemy.schema import SchemaItem

from db.tables.metadata import INSTANT, METADATA, tenant_column

CURRENT = text("superseded_at is null")


def versioned_table(name: str, *items: SchemaItem) -> Table:
    """A table of versions; `created_at` is that of the first one, `updated_at` its own, and an inactive one ends the record."""
    return Table(
        name,
        METADATA,
        Column("id", Uuid, primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        tenant_column(),
        Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
        Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
        Column("superseded_at", INSTANT),
        Column("active", Boolean, nullable=False, server_default=text("true")),
        Column("author_id", Uuid),
        CheckConstraint("version >= 1", name="version"),
        Index(f"uq_{name}_current", "id", unique=True, postgresql_where=CURRENT),
        Index(f"ix_{name}_tenant_created", "tenant_id", "created_at", "id", postgresql_where=CURRENT),
        *items,
    )
