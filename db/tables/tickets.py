"""Tickets as they are read: the projection, its comments, its search documents and its history."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from db.tables.metadata import INSTANT, METADATA, tenant_column
from db.tables.processes import history_table

UNRESOLVED = "status not in ('RESOLVED','CLOSED','CANCELLED')"

support_tickets = Table(
    "support_tickets",
    METADATA,
    Column("id", Uuid, ForeignKey("processes.id"), primary_key=True),
    tenant_column(),
    Column("number", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_since", INSTANT, nullable=False),
    Column("customer_email", Text, nullable=False),
    # Compared instead of lower(customer_email): lower() is not leakproof, so under row-level security its index goes unused.
    Column("customer_key", Text, Computed("lower(customer_email)", persisted=True), nullable=False),
    Column("subject", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column(
        "priority_rank",
        SmallInteger,
        Computed(
            "case priority when 'URGENT' then 4 when 'HIGH' then 3 when 'MEDIUM' then 2 else 1 end", persisted=True
        ),
        nullable=False,
    ),
    Column("severity", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("category", Text),
    Column("sla_tier", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("fields", JSONB, nullable=False),
    Column("account_id", Uuid),
    Column("requester_id", Uuid),
    Column("assignee_id", Uuid),
    Column("team_id", Uuid),
    Column("follow_up_of", Uuid),
    Column("merged_into", Uuid),
    Column("external_ref", Text, comment="The ticket's id on the desk that it was imported from."),
    Column("mailbox_id", Uuid),
    Column("language", Text),
    Column("cc", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("watchers", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("links", JSONB, nullable=False, server_default=text("'[]'")),
    Column("route", JSONB, comment="The rule that sent the ticket to its team, and whom of the team it needs."),
    Column("first_response_at", INSTANT),
    Column("resolved_at", INSTANT),
    Column("closed_at", INSTANT),
    Column("reopens", Integer, nullable=False),
    Column("next_deadline_at", INSTANT),
    Column("next_deadline_kind", Text),
    Column("sla_standing", Text, nullable=False, server_default=text("'ok'")),
    Column("at_risk_at", INSTANT, comment="From when on a running clock has used three quarters of its target."),
    Column("overdue_since", INSTANT, comment="The earliest deadline that has passed with its promise not kept yet."),
    Column(
        "due_order",
        INSTANT,
        Computed(
            "coalesce(least(overdue_since, next_deadline_at), '9999-12-31T00:00:00Z'::timestamptz)", persisted=True
        ),
        nullable=False,
    ),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("tenant_id", "number"),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "account_id"], ["customer_accounts.tenant_id", "customer_accounts.id"]),
    ForeignKeyConstraint(["tenant_id", "requester_id"], ["users.tenant_id", "users.id"]),
    ForeignKeyConstraint(["tenant_id", "assignee_id"], ["users.tenant_id", "users.id"]),
    ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
    ForeignKeyConstraint(["tenant_id", "follow_up_of"], ["support_tickets.tenant_id", "support_tickets.id"]),
    ForeignKeyConstraint(["tenant_id", "merged_into"], ["support_tickets.tenant_id", "support_tickets.id"]),
    ForeignKeyConstraint(["tenant_id", "mailbox_id"], ["mailboxes.tenant_id", "mailboxes.id"]),
    CheckConstraint(
        "status in ('NEW','OPEN','IN_PROGRESS','PENDING_CUSTOMER','PENDING_INTERNAL','RESOLVED','CLOSED','CANCELLED')",
        name="status",
    ),
    CheckConstraint("priority in ('LOW','MEDIUM','HIGH','URGENT')", name="priority"),
    CheckConstraint("severity in ('SEV1','SEV2','SEV3','SEV4')", name="severity"),
    CheckConstraint("channel in ('EMAIL','PORTAL','CHAT','PHONE','API')", name="channel"),
    CheckConstraint("sla_tier in ('BASIC','PROFESSIONAL','ENTERPRISE','PREMIUM')", name="sla_tier"),
    CheckConstraint("sla_standing in ('ok','breached','paused')", name="sla_standing"),
    CheckConstraint("(closed_at is not null) = (status in ('CLOSED','CANCELLED'))", name="closed_at"),
    CheckConstraint("status <> 'RESOLVED' or resolved_at is not null", name="resolved_at"),
    Index("ix_support_tickets_created", "tenant_id", text("created_at desc"), text("id desc")),
    Index("ix_support_tickets_status", "tenant_id", "status", text("created_at desc"), text("id desc")),
    Index("ix_support_tickets_updated", "tenant_id", text("updated_at desc"), text("id desc")),
    Index("ix_support_tickets_priority", "tenant_id", text("priority_rank desc"), text("id desc")),
    Index("ix_support_tickets_deadline", "tenant_id", "due_order", "id"),
    Index(
        "ix_support_tickets_standing",
        "tenant_id",
        "sla_standing",
        text("created_at desc"),
        text("id desc"),
        postgresql_where=text("sla_standing <> 'ok'"),
    ),
    Index("ix_support_tickets_at_risk", "tenant_id", "at_risk_at", postgresql_where=text("at_risk_at is not null")),
    Index("ix_support_tickets_assignee", "tenant_id", "assignee_id", text("created_at desc"), text("id desc")),
    Index("ix_support_tickets_team", "tenant_id", "team_id", text("created_at desc"), text("id desc")),
    Index("ix_support_tickets_account", "tenant_id", "account_id", text("created_at desc"), text("id desc")),
    Index(
        "ix_support_tickets_customer",
        "tenant_id",
        "customer_key",
        text("created_at desc"),
        text("id desc"),
    ),
    Index(
        "ix_support_tickets_external",
        "tenant_id",
        "external_ref",
        unique=True,
        postgresql_where=text("external_ref is not null"),
    ),
    Index(
        "ix_support_tickets_waiting",
        "team_id",
        "created_at",
        "id",
        postgresql_where=text(f"assignee_id is null and route is not null and {UNRESOLVED}"),
    ),
    Index(
        "ix_support_tickets_load",
        "assignee_id",
        postgresql_where=text(f"assignee_id is not null and {UNRESOLVED}"),
    ),
    postgresql_with={"fillfactor": "85"},
)

ticket_comments = Table(
    "ticket_comments",
    METADATA,
    Column("id", Uuid, primary_key=True),
    tenant_column(),
    Column("ticket_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("author_id", Uuid),
    Column("author_name", Text, nullable=False),
    Column("author_role", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("channel", Text, comment="How it came, where that is not the ticket's own channel."),
    Column("automatic", Boolean, nullable=False, server_default=text("false")),
    Column("quoted", Text, comment="The folded part of a mail: what it quotes."),
    Column("call_direction", Text),
    Column("call_seconds", Integer),
    Column("created_at", INSTANT, nullable=False),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    CheckConstraint("author_role in ('CUSTOMER','AGENT','LEAD','ADMIN')", name="author_role"),
    CheckConstraint("channel in ('EMAIL','PORTAL','CHAT','PHONE','API')", name="channel"),
    CheckConstraint("call_direction in ('INBOUND','OUTBOUND')", name="call_direction"),
    CheckConstraint("(call_direction is null) = (call_seconds is null) and call_seconds >= 0", name="call"),
    Index("ix_ticket_comments_ticket", "ticket_id", text("created_at desc"), text("id desc")),
)

ticket_search = Table(
    "ticket_search",
    METADATA,
    tenant_column(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("source_id", Uuid, primary_key=True, comment="The ticket itself, or one of its comments."),
    Column("internal", Boolean, nullable=False),
    Column("document", TSVECTOR, nullable=False),
    Column("at", INSTANT, nullable=False, server_default=text("now()"), comment="When the ticket was created."),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    Index("ix_ticket_search_document", "document", postgresql_using="gin"),
    Index("ix_ticket_search_newest", "tenant_id", text("at desc"), text("ticket_id desc")),
    comment="Kept apart from the tickets, so that a ticket's many small changes never touch the text index.",
)

ticket_tags = Table(
    "ticket_tags",
    METADATA,
    tenant_column(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("tag", Text, primary_key=True),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    Index("ix_ticket_tags_tag", "tenant_id", "tag", "ticket_id"),
    comment="The tags of support_tickets again, because array operators find no index under row-level security.",
)

ticket_links = Table(
    "ticket_links",
    METADATA,
    tenant_column(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("target_id", Uuid, primary_key=True),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    CheckConstraint("type in ('ARTICLE','INCIDENT','TICKET')", name="type"),
    Index("ix_ticket_links_target", "target_id", "type"),
    comment="The links of support_tickets again, to find them from the other end.",
)

ticket_attachments = Table(
    "ticket_attachments",
    METADATA,
    tenant_column(),
    Column("attachment_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("comment_id", Uuid, comment="Nothing for what came with the ticket itself."),
    Column("internal", Boolean, nullable=False, server_default=text("false")),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(["tenant_id", "attachment_id"], ["attachments.tenant_id", "attachments.id"]),
    Index("ix_ticket_attachments_ticket", "ticket_id", "comment_id"),
    comment="Which stored files belong to what was said on a ticket: decisions write it, the files are records.",
)

ticket_history = history_table("ticket_history")
