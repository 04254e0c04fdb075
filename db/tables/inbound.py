"""Mail that came in: as it is, from before it is acknowledged, and what became of it."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, tenant_column

WAITING = "state = 'RECEIVED'"
NEWEST = (text("received_at desc"), text("id desc"))

inbound_mails = Table(
    "inbound_mails",
    METADATA,
    Column("id", Uuid, primary_key=True, comment="Derived from mailbox and dedupe_key."),
    tenant_column(),
    Column("mailbox_id", Uuid, nullable=False),
    Column("dedupe_key", Text, nullable=False, comment="The same for the same mail, however often it comes."),
    Column("content_hash", Text, nullable=False),
    Column("message_id", Text),
    Column("envelope_sender", Text, comment="Empty for mail that must not be answered; nothing where it is not known."),
    Column("recipient", Text, nullable=False, comment="As it was addressed, with what stands behind a plus sign."),
    Column(
        "author", Text, nullable=False, comment="Whom From names, in lower case; mails of one are taken in in order."
    ),
    Column("subject", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("raw", LargeBinary, comment="Nothing once the mail is done and has been kept for long enough."),
    Column("state", Text, nullable=False, server_default=text("'RECEIVED'")),
    Column("reason", Text),
    Column("detail", Text),
    Column("plan", JSONB, comment="What was decided, before it is done: a repeat does the same."),
    Column("ticket_id", Uuid),
    Column("comment_id", Uuid),
    Column("accepted", Boolean, nullable=False, server_default=text("false"), comment="Somebody vouches for it."),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("not_before", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("lease_id", Uuid),
    Column("leased_until", INSTANT),
    Column("received_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("updated_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    ForeignKeyConstraint(["tenant_id", "mailbox_id"], ["mailboxes.tenant_id", "mailboxes.id"]),
    CheckConstraint("state in ('RECEIVED','DONE','PARKED','DISCARDED')", name="state"),
    CheckConstraint("raw is not null or state = 'DONE'", name="raw"),
    CheckConstraint("(reason is not null) = (state in ('PARKED','DISCARDED'))", name="reason"),
    Index("uq_inbound_mails_mailbox_dedupe", "mailbox_id", "dedupe_key", unique=True),
    Index("ix_inbound_mails_waiting", "received_at", "id", postgresql_where=text(WAITING)),
    Index("ix_inbound_mails_author", "tenant_id", "author", "received_at", "id", postgresql_where=text(WAITING)),
    Index(
        "ix_inbound_mails_leased", "tenant_id", "author", postgresql_where=text(f"{WAITING} and lease_id is not null")
    ),
    Index("ix_inbound_mails_message", "tenant_id", "message_id", postgresql_where=text("message_id is not null")),
    Index("ix_inbound_mails_listed", "tenant_id", *NEWEST),
    Index("ix_inbound_mails_state", "tenant_id", "state", *NEWEST),
    Index("ix_inbound_mails_reason", "tenant_id", "reason", *NEWEST, postgresql_where=text("reason is not null")),
    Index(
        "ix_inbound_mails_kept",
        "state",
        "updated_at",
        postgresql_where=text("state in ('DONE','DISCARDED') and raw is not null"),
    ),
    Index(
        "ix_inbound_mails_parked",
        text("(reason in ('AUTOMATIC','BOUNCE','LOOP'))"),
        "updated_at",
        postgresql_where=text("state = 'PARKED'"),
    ),
    Index("ix_inbound_mails_ticket", "tenant_id", "ticket_id", *NEWEST, postgresql_where=text("ticket_id is not null")),
)
