"""Customer accounts and the mail domains by which their people are known."""

from sqlalchemy import (
    CHAR,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from db.tables.metadata import METADATA, id_column, record_columns, tenant_column

customer_accounts = Table(
    "customer_accounts",
    METADATA,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("time_zone", Text, nullable=False, server_default=text("'UTC'")),
    Column("monthly_fee", Numeric(14, 3), nullable=False, server_default=text("0")),
    Column("currency", CHAR(3), nullable=False, server_default=text("'USD'")),
    Column("csm_id", Uuid),
    Column("tam_id", Uuid),
    Column("renewal_date", Date),
    *record_columns(),
    UniqueConstraint("tenant_id", "id"),
    ForeignKeyConstraint(["tenant_id", "csm_id"], ["users.tenant_id", "users.id"]),
    ForeignKeyConstraint(["tenant_id", "tam_id"], ["users.tenant_id", "users.id"]),
    CheckConstraint("tier in ('BASIC', 'PROFESSIONAL', 'ENTERPRISE', 'PREMIUM')", name="tier"),
    CheckConstraint("monthly_fee >= 0", name="fee"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    Index("ix_customer_accounts_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
)

account_domains = Table(
    "account_domains",
    METADATA,
    tenant_column(),
    Column("domain", Text),
    Column("account_id", Uuid, nullable=False),
    PrimaryKeyConstraint("tenant_id", "domain"),
    ForeignKeyConstraint(
        ["tenant_id", "account_id"],
        ["customer_accounts.tenant_id", "customer_accounts.id"],
        ondelete="CASCADE",
    ),
    CheckConstraint("domain = lower(domain)", name="lower"),
    Index("ix_account_domains_tenant_id_account_id", "tenant_id", "account_id"),
)
