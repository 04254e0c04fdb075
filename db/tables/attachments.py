"""Stored files: what they are called, what they hold, and the checksum under which the store keeps them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, UniqueConstraint, Uuid, text

from db.tables.metadata import INSTANT, METADATA, id_column, tenant_column

attachments = Table(
    "attachments",
    METADATA,
    id_column(),
    tenant_column(),
    Column(
        "ticket_id", Uuid, comment="The ticket for which it was uploaded; nothing while a mail that holds it is read."
    ),
    Column("file_name", Text, nullable=False),
    Column("content_type", Text, nullable=False, comment="As its first bytes tell, whatever the sender said."),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("content_id", Text, comment="By which the HTML of a mail names it."),
    Column("uploaded_by", Uuid, comment="A user or an API key; nothing for mail."),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    UniqueConstraint("tenant_id", "id"),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
    Index("ix_attachments_ticket", "ticket_id", "created_at", "id"),
    Index("ix_attachments_sha256", "tenant_id", "sha256"),
)
