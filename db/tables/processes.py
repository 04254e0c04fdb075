"""Processes, their ledger of promises, their outbox, and the shape of every history table."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, tenant_column

processes = Table(
    "processes",
    METADATA,
    Column("id", Uuid, primary_key=True),
    tenant_column(),
    Column("kind", Text, nullable=False),
    Column("workflow_id", Text, nullable=False, unique=True),
    Column("revision", Integer, nullable=False),
    Column("confirmed_revision", Integer, nullable=False),
    Column("final", Boolean, nullable=False, server_default=text("false")),
    Column("touched_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("revision >= 1", name="revision"),
    CheckConstraint("confirmed_revision between 0 and revision", name="confirmed"),
    Index("ix_processes_unconfirmed", "touched_at", postgresql_where=text("confirmed_revision < revision")),
    Index("ix_processes_open", "id", postgresql_where=text("not final")),
    comment="One row per durable process: how far its decisions have come, and how far its workflow is known to have followed.",
)

deadlines = Table(
    "deadlines",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    tenant_column(),
    Column("process", Text, nullable=False),
    Column("process_id", Uuid, ForeignKey("processes.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("owner_id", Uuid),
    Column("state", Text, nullable=False),
    Column("settled_at", INSTANT),
    UniqueConstraint("process_id", "kind", "cycle"),
    CheckConstraint("state in ('ARMED','PAUSED','MET','MISSED','FIRED','CANCELLED')", name="state"),
    CheckConstraint("(settled_at is null) = (state in ('ARMED','PAUSED'))", name="settled"),
    Index("ix_deadlines_armed", "due_at", postgresql_where=text("state = 'ARMED'")),
    Index("ix_deadlines_tenant_due", "tenant_id", "due_at", "id"),
    Index("ix_deadlines_owner_due", "tenant_id", "owner_id", "due_at"),
    comment="The promise ledger: what is due, when, who owes it, and how it ended.",
)

notifications = Table(
    "notifications",
    METADATA,
    Column("id", Uuid, primary_key=True),
    tenant_column(),
    Column("process_id", Uuid, ForeignKey("processes.id", ondelete="CASCADE"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("rung", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("not_before", INSTANT),
    Column("leased_until", INSTANT),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("delivered_at", INSTANT),
    Column("dead_at", INSTANT),
    Column("last_error", Text),
    UniqueConstraint("process_id", "rung", "template", "recipient", "channel"),
    CheckConstraint("channel in ('EMAIL','IN_APP','WEBHOOK','SLACK','PREFERRED')", name="channel"),
    CheckConstraint("delivered_at is null or dead_at is null", name="one_end"),
    Index("ix_notifications_pending", "created_at", postgresql_where=text("delivered_at is null and dead_at is null")),
    comment="The transactional outbox: written by decisions, delivered by the dispatcher.",
)


def history_table(name: str) -> Table:
    """The history of one kind of process: a row per decision, gapless, with the command, who, when, what changed and the outcome."""
    return Table(
        name,
        METADATA,
        Column("process_id", Uuid, ForeignKey("processes.id", ondelete="CASCADE"), primary_key=True),
        Column("revision", Integer, primary_key=True, autoincrement=False),
        tenant_column(),
        Column("command", Text, nullable=False),
        Column("command_id", Text, nullable=False),
        Column("fingerprint", Text, nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("actor", JSONB, nullable=False),
        Column("at", INSTANT, nullable=False),
        Column("decided_at", INSTANT, nullable=False),
        Column("changes", JSONB, nullable=False),
        Column("snapshot", JSONB, nullable=False),
        Column("effects", JSONB, nullable=False),
        Column("answer", JSONB, nullable=False),
        UniqueConstraint("process_id", "command_id"),
        CheckConstraint("revision >= 1", name="revision"),
    )
