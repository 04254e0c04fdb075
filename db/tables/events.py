"""Events: what happened, for those who listen, in the order of the transactions that they came from."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, tenant_column

events = Table(
    "events",
    METADATA,
    # Given while the entity is locked: of two events of one entity the later one has the greater number.
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    tenant_column(),
    Column("xid", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Column("type", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("internal", Boolean, nullable=False, comment="For the staff only."),
    Column("account_id", Uuid, comment="The account whose people may know of it."),
    Column("address", Text, comment="The customer who may know of it, in lower case."),
    Column("payload", JSONB, nullable=False),
    Index("ix_events_tenant_xid", "tenant_id", "xid", "seq"),
)
