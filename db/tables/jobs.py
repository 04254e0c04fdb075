"""Jobs: work on many entities that goes on in the background and tells how far it has come."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, record_columns, tenant_column

jobs = Table(
    "jobs",
    METADATA,
    Column("id", Uuid, primary_key=True),
    tenant_column(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'QUEUED'")),
    Column("input", JSONB, nullable=False),
    Column("cursor", JSONB),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("total", Integer),
    Column("failures", JSONB, nullable=False, server_default=text("'[]'")),
    Column("result", JSONB),
    Column("author", JSONB, nullable=False),
    Column("lease_id", Uuid, comment="Of the runner that has the job; one whose lease is gone writes nothing more."),
    Column("leased_until", INSTANT),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="Since its last progress."),
    *record_columns(),
    CheckConstraint("state in ('QUEUED','RUNNING','DONE','FAILED')", name="state"),
    Index("ix_jobs_open", "created_at", "id", postgresql_where=text("state in ('QUEUED','RUNNING')")),
    Index("ix_jobs_ended", "updated_at", postgresql_where=text("state in ('DONE','FAILED')")),
    Index("ix_jobs_tenant_created", "tenant_id", "created_at", "id"),
)
