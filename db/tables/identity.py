"""Tenants, the people of a tenant, their teams, what sets their passwords, and the answers kept for repeated requests."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.tables.metadata import INSTANT, METADATA, id_column, record_columns, tenant_column

RANDOM_KEY = "decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')"

tenants = Table(
    "tenants",
    METADATA,
    id_column(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    Column("remind_after_minutes", Integer, nullable=False, server_default=text("4320")),
    Column("resolve_after_minutes", Integer, nullable=False, server_default=text("10080")),
    Column("reopen_grace_minutes", Integer, nullable=False, server_default=text("10080")),
    Column("sla_revision", BigInteger, nullable=False, server_default=text("1")),
    Column("routing_revision", BigInteger, nullable=False, server_default=text("0")),
    Column("acknowledge", Boolean, nullable=False, server_default=text("true")),
    Column("merge_reopens", Boolean, nullable=False, server_default=text("true")),
    Column("mail_key", LargeBinary, nullable=False, server_default=text(RANDOM_KEY), comment="Signs reply addresses."),
    Column(
        "mail_revision",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="Moves when a wording of its mails has changed.",
    ),
    *record_columns(),
    CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name="slug"),
    CheckConstraint(
        "remind_after_minutes >= 0 and resolve_after_minutes >= 0 and reopen_grace_minutes >= 0", name="minutes"
    ),
    Index("ix_tenants_is_default", "is_default", unique=True, postgresql_where=text("is_default")),
)

tenant_domains = Table(
    "tenant_domains",
    METADATA,
    Column("domain", Text, primary_key=True),
    tenant_column(),
    CheckConstraint("domain = lower(domain)", name="lower"),
    Index("ix_tenant_domains_tenant_id", "tenant_id"),
)

users = Table(
    "users",
    METADATA,
    id_column(),
    tenant_column(),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("password_set_at", INSTANT, comment="Tokens that were issued before are worth nothing."),
    Column("account_id", Uuid),
    Column("time_zone", Text, nullable=False, server_default=text("'UTC'")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("available", Boolean, nullable=False, server_default=text("true")),
    Column("skills", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("capacity", Integer, nullable=False, server_default=text("20")),
    Column("preferences", JSONB, nullable=False, server_default=text("'{}'")),
    *record_columns(),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(
        ["tenant_id", "account_id"], ["customer_accounts.tenant_id", "customer_accounts.id"], use_alter=True
    ),
    CheckConstraint("role in ('CUSTOMER', 'AGENT', 'LEAD', 'ADMIN')", name="role"),
    CheckConstraint("account_id is null or role = 'CUSTOMER'", name="account"),
    CheckConstraint("capacity >= 0", name="capacity"),
    Index("uq_users_tenant_id_lower_email", "tenant_id", text("lower(email)"), unique=True),
    Index("ix_users_lower_email", text("lower(email)")),
    Index("ix_users_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
    Index("ix_users_tenant_id_account_id", "tenant_id", "account_id", postgresql_where=text("account_id is not null")),
)

teams = Table(
    "teams",
    METADATA,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("lead_id", Uuid),
    *record_columns(),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "lead_id"], ["users.tenant_id", "users.id"]),
    Index("ix_teams_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
)

team_members = Table(
    "team_members",
    METADATA,
    Column("team_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    tenant_column(),
    Column("assigned_at", INSTANT, comment="When the team's queue last gave this member a ticket."),
    ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    Index("ix_team_members_tenant_id_user_id", "tenant_id", "user_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    METADATA,
    Column("tenant_id", Uuid, ForeignKey("tenants.id"), primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer),
    Column("headers", JSONB, nullable=False, server_default=text("'{}'")),
    Column("body", Text),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
    Index("ix_idempotency_keys_tenant_id_created_at", "tenant_id", "created_at"),
)

password_tokens = Table(
    "password_tokens",
    METADATA,
    id_column(),
    tenant_column(),
    Column("user_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("created_at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    Column("expires_at", INSTANT, nullable=False),
    Column("used_at", INSTANT),
    ForeignKeyConstraint(["tenant_id", "user_id"], ["users.tenant_id", "users.id"], ondelete="CASCADE"),
    CheckConstraint("purpose in ('INVITATION','RESET')", name="purpose"),
    Index("ix_password_tokens_user", "tenant_id", "user_id", "created_at"),
    comment="What lets somebody set a password once, as its hash.",
)
