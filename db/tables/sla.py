"""SLA: what is promised and when time counts, the clocks, the breaches, and what was done about them."""

from sqlalchemy import (
    CHAR,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    Interval,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.tables.metadata import INSTANT, METADATA, id_column, tenant_column
from db.tables.versions import versioned_table

sla_calendars = versioned_table(
    "sla_calendars",
    Column("name", Text, nullable=False),
    Column("time_zone", Text, comment="Null: that of the customer's account."),
    Column("week", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False, server_default=text("'[]'")),
    Column("country", Text),
    Index(
        "uq_sla_calendars_name",
        "tenant_id",
        "name",
        unique=True,
        postgresql_where=text("superseded_at is null and active"),
    ),
)

sla_definitions = versioned_table(
    "sla_definitions",
    Column("tier", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target_minutes", Integer, nullable=False),
    Column("calendar_id", Uuid, nullable=False),
    Column("credit", JSONB),
    CheckConstraint("tier in ('BASIC','PROFESSIONAL','ENTERPRISE','PREMIUM')", name="tier"),
    CheckConstraint("severity in ('SEV1','SEV2','SEV3','SEV4')", name="severity"),
    CheckConstraint("kind in ('FIRST_RESPONSE','NEXT_RESPONSE','RESOLUTION')", name="kind"),
    CheckConstraint("target_minutes >= 1", name="target"),
    Index(
        "uq_sla_definitions_promise",
        "tenant_id",
        "tier",
        "severity",
        "kind",
        unique=True,
        postgresql_where=text("superseded_at is null"),
    ),
)

escalation_rules = versioned_table(
    "escalation_rules",
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("trigger", JSONB, nullable=False),
    Column("condition", JSONB, nullable=False, server_default=text("'{}'")),
    Column("actions", JSONB, nullable=False),
    Column("repeat", JSONB),
)

sla_clocks = Table(
    "sla_clocks",
    METADATA,
    tenant_column(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("definition_id", Uuid, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("calendar_id", Uuid, nullable=False),
    Column("target_minutes", Integer, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("running_since", INSTANT),
    Column("spent", Interval, nullable=False),
    Column("runs", JSONB, nullable=False, comment="The runs that have ended: [{since, until, calendar_id}]."),
    Column("holds", ARRAY(Text), nullable=False),
    Column("deadline_at", INSTANT),
    Column("met_at", INSTANT),
    Column("breached_at", INSTANT),
    Column("detected_at", INSTANT),
    Column("cause", Text),
    Column("ended_at", INSTANT),
    Column("waived", Boolean, nullable=False),
    Column(
        "judged_at",
        INSTANT,
        Computed("coalesce(breached_at, deadline_at, met_at)", persisted=True),
        comment="The deadline that stood; for a promise kept while its clock was paused, when it was kept.",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    CheckConstraint("state in ('RUNNING','PAUSED','MET','BREACHED','CANCELLED','ANNULLED')", name="state"),
    Index("ix_sla_clocks_deadline", "tenant_id", "deadline_at"),
    Index("ix_sla_clocks_judged", "tenant_id", "judged_at"),
    comment="Every clock of every ticket; the latest cycle of each kind is part of the ticket's state.",
)

sla_breaches = Table(
    "sla_breaches",
    METADATA,
    Column("id", Uuid, primary_key=True),
    tenant_column(),
    Column("ticket_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("deadline_at", INSTANT, nullable=False),
    Column("breached_at", INSTANT, nullable=False),
    Column("detected_at", INSTANT, nullable=False),
    Column("cause", Text, nullable=False),
    Column("account_id", Uuid),
    Column("definition_id", Uuid, nullable=False),
    Column("definition_version", Integer, nullable=False),
    UniqueConstraint("ticket_id", "kind", "cycle"),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    CheckConstraint("cause in ('DEADLINE','POLICY_CHANGE')", name="cause"),
    CheckConstraint("detected_at >= breached_at", name="detected"),
    Index("ix_sla_breaches_tenant_breached", "tenant_id", "breached_at", "id"),
    Index("ix_sla_breaches_account", "tenant_id", "account_id", "breached_at"),
    Index("ix_sla_breaches_detected", "detected_at"),
    comment="Immutable facts, written by the ticket's decisions.",
)

sla_breach_actions = Table(
    "sla_breach_actions",
    METADATA,
    id_column(),
    tenant_column(),
    Column("breach_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text),
    Column("amount", Numeric(14, 3)),
    Column("currency", CHAR(3)),
    Column("actor_id", Uuid, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    UniqueConstraint("breach_id", "action"),
    ForeignKeyConstraint(["tenant_id", "breach_id"], ["sla_breaches.tenant_id", "sla_breaches.id"], ondelete="CASCADE"),
    CheckConstraint("action in ('ACKNOWLEDGE','WAIVE','CREDIT')", name="action"),
    CheckConstraint(
        "(action = 'CREDIT') = (amount is not null) and (amount is null) = (currency is null) and coalesce(amount, 1) > 0",
        name="amount",
    ),
    comment="What people did about a breach, once each; records, written by the API.",
)

sla_credit_proposals = Table(
    "sla_credit_proposals",
    METADATA,
    tenant_column(),
    Column("breach_id", Uuid, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("overrun_minutes", Integer, nullable=False),
    Column("percent", Numeric(6, 3), nullable=False),
    Column("amount", Numeric(14, 3), nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("proposed_at", INSTANT, nullable=False),
    ForeignKeyConstraint(["tenant_id", "breach_id"], ["sla_breaches.tenant_id", "sla_breaches.id"], ondelete="CASCADE"),
    comment="What a definition's credit rule proposed, step by step of the overrun; the last one stands.",
)
