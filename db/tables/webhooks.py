"""Webhooks of a tenant, and one row per event that a webhook is told of."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, id_column, record_columns, tenant_column

webhooks = Table(
    "webhooks",
    METADATA,
    id_column(),
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False, comment="Names, `ticket.*` or `*`."),
    Column("secret", Text, nullable=False, comment="In clear: signing needs it."),
    Column("previous_secret", Text, comment="The one before, which signs beside it for a while. In clear, too."),
    Column("previous_secret_until", INSTANT, comment="From then on it signs no more."),
    Column("format", Text, nullable=False, server_default=text("'STANDARD'")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column(
        "failures", Integer, nullable=False, server_default=text("0"), comment="Calls that failed, one after another."
    ),
    Column("rests_until", INSTANT, comment="Until when it is not called, because it keeps failing."),
    # How far the pump has come; a new webhook begins with the transaction that made it.
    Column("after_xid", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Column("after_seq", BigInteger, nullable=False, server_default=text("0")),
    *record_columns(),
    UniqueConstraint("tenant_id", "id"),
    CheckConstraint("format in ('STANDARD','SLACK')", name="format"),
    CheckConstraint("cardinality(events) > 0", name="events"),
    CheckConstraint("(previous_secret is null) = (previous_secret_until is null)", name="previous_secret"),
    Index("ix_webhooks_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    METADATA,
    id_column(),
    tenant_column(),
    Column("webhook_id", Uuid, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", Uuid, nullable=False),
    Column("body", Text, nullable=False, comment="What is sent, byte for byte the same at each attempt."),
    Column("created_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("not_before", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("leased_until", INSTANT),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("delivered_at", INSTANT),
    Column("dead_at", INSTANT),
    Column("response_status", Integer),
    Column("last_error", Text),
    Column(
        "earlier", JSONB, nullable=False, server_default=text("'[]'"), comment="How it ended before it was replayed."
    ),
    UniqueConstraint("webhook_id", "event_seq"),
    ForeignKeyConstraint(["tenant_id", "webhook_id"], ["webhooks.tenant_id", "webhooks.id"], ondelete="CASCADE"),
    CheckConstraint("delivered_at is null or dead_at is null", name="one_end"),
    Index(
        "ix_webhook_deliveries_due",
        "webhook_id",
        "not_before",
        postgresql_where=text("delivered_at is null and dead_at is null"),
    ),
    Index("ix_webhook_deliveries_created", "created_at"),
    Index("ix_webhook_deliveries_log", "tenant_id", "webhook_id", "created_at", "id"),
)
