"""API keys of a tenant: of each its hash, never the key."""

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Table, Text, Uuid

from db.tables.metadata import INSTANT, METADATA, id_column, record_columns, tenant_column

api_keys = Table(
    "api_keys",
    METADATA,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, comment="Such as `tickets:read`; `*` is all that the role may do."),
    Column("prefix", Text, nullable=False, comment="How the key begins, to recognise it."),
    Column("hash", Text, nullable=False, unique=True),
    Column("expires_at", INSTANT),
    Column("revoked_at", INSTANT, comment="Rows stay, because histories name the key."),
    Column("last_used_at", INSTANT, comment="To the minute or two."),
    Column("author_id", Uuid, comment="A user or another key."),
    Column("author_name", Text, nullable=False),
    *record_columns(),
    CheckConstraint("role in ('AGENT', 'LEAD', 'ADMIN')", name="role"),
    CheckConstraint("cardinality(scopes) > 0", name="scopes"),
    CheckConstraint("hash ~ '^[0-9a-f]{64}$'", name="hash"),
    Index("ix_api_keys_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
)
