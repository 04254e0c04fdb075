"""Mail that goes out: the conversation that it joins, who gets none, and how a tenant words it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from db.tables.metadata import INSTANT, METADATA, id_column, tenant_column

mail_threads = Table(
    "mail_threads",
    METADATA,
    id_column(),
    tenant_column(),
    Column("ticket_id", Uuid, nullable=False, comment="Noted before there is one: its first mail answers this."),
    Column("message_id", Text, nullable=False, comment="Without its brackets."),
    Column("address", Text, nullable=False, comment="Who sent it."),
    Column("subject", Text),
    Column("at", INSTANT, nullable=False),
    Column("noted_at", INSTANT, server_default=text("now()"), comment="Nothing once its ticket is known to be there."),
    UniqueConstraint("ticket_id", "message_id"),
    Index("ix_mail_threads_noted", "noted_at", postgresql_where=text("noted_at is not null")),
    CheckConstraint("address = lower(address)", name="lower"),
    comment="The mails that came to a ticket, so that ours answer them.",
)

mail_suppressions = Table(
    "mail_suppressions",
    METADATA,
    tenant_column(),
    Column("address", Text),
    Column("reason", Text, nullable=False),
    Column("status", Text, comment="The code that the server gave, such as 5.1.1 or 550."),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("tenant_id", "address"),
    CheckConstraint("address = lower(address)", name="lower"),
    Index("ix_mail_suppressions_created", "tenant_id", "created_at", "address"),
    comment="Addresses that get no mail.",
)

mail_refusals = Table(
    "mail_refusals",
    METADATA,
    tenant_column(),
    Column("address", Text),
    Column("notification_id", Uuid),
    Column("at", INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("tenant_id", "address", "notification_id"),
    comment="What mail servers refused for good within a week; the second refusal of an address suppresses it.",
)

mail_templates = Table(
    "mail_templates",
    METADATA,
    tenant_column(),
    Column("name", Text),
    Column("subject", Text),
    Column("text", Text),
    Column("updated_at", INSTANT, nullable=False, server_default=text("now()")),
    Column(
        "version",
        BigInteger,
        nullable=False,
        server_default=text("1"),
        comment="The tenant's mail_revision that wrote it, so that none comes a second time.",
    ),
    PrimaryKeyConstraint("tenant_id", "name"),
    CheckConstraint("subject is not null or text is not null", name="something"),
    comment="How a tenant words its mails to customers, where it does not take ours.",
)
