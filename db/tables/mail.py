"""The desk's mailboxes: addresses at which mail becomes tickets."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from db.tables.metadata import METADATA, id_column, record_columns, tenant_column

mailboxes = Table(
    "mailboxes",
    METADATA,
    id_column(),
    tenant_column(),
    Column("address", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("team_id", Uuid, comment="Whose tickets its mail becomes; else the routing rules decide."),
    Column("category", Text),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    *record_columns(),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
    CheckConstraint("address = lower(address)", name="lower"),
    Index("uq_mailboxes_address", "address", unique=True, postgresql_where=text("active")),
    Index("uq_mailboxes_default", "tenant_id", unique=True, postgresql_where=text("is_default")),
)
