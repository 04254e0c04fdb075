"""What a desk keeps for its work: templates and macros, the definitions of custom fields, and saved views."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from db.tables.metadata import INSTANT, METADATA, id_column, record_columns, tenant_column

ticket_templates = Table(
    "ticket_templates",
    METADATA,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("subject", Text),
    Column("body", Text),
    Column("internal", Boolean, nullable=False, server_default=text("false")),
    Column("changes", JSONB, comment="What a macro changes, as it was sent: only what was said."),
    Column("position", Integer, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    *record_columns(),
    Index("uq_ticket_templates_name", "tenant_id", "name", unique=True, postgresql_where=text("active")),
    Index("ix_ticket_templates_position", "tenant_id", "position", "created_at", "id"),
)

ticket_fields = Table(
    "ticket_fields",
    METADATA,
    id_column(),
    tenant_column(),
    Column("key", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("options", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("required", Boolean, nullable=False, server_default=text("false")),
    Column("customer_visible", Boolean, nullable=False, server_default=text("false")),
    Column("customer_editable", Boolean, nullable=False, server_default=text("false")),
    Column("position", Integer, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    # Tickets keep values of a field that is gone, and what customers could not see they still must not.
    Column("deleted_at", INSTANT),
    *record_columns(),
    CheckConstraint("key ~ '^[a-z][a-z0-9_]{0,39}$'", name="key"),
    CheckConstraint(
        "type in ('TEXT','MULTILINE','NUMBER','INTEGER','BOOLEAN','DATE','SELECT','MULTISELECT','URL','EMAIL')",
        name="type",
    ),
    CheckConstraint("customer_visible or not customer_editable", name="editable"),
    Index("uq_ticket_fields_key", "tenant_id", "key", unique=True, postgresql_where=text("deleted_at is null")),
    Index("ix_ticket_fields_position", "tenant_id", "position", "created_at", "id"),
)

ticket_field_values = Table(
    "ticket_field_values",
    METADATA,
    tenant_column(),
    Column("ticket_id", Uuid, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    Index("ix_ticket_field_values_value", "tenant_id", "key", "value", "ticket_id"),
    comment="The fields of support_tickets again, kept by a trigger, because jsonb operators find no index under RLS.",
)

ticket_views = Table(
    "ticket_views",
    METADATA,
    id_column(),
    tenant_column(),
    Column("owner_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("filters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("sort", Text, nullable=False),
    Column("columns", ARRAY(Text)),
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    Column("team_id", Uuid),
    *record_columns(),
    ForeignKeyConstraint(["tenant_id", "owner_id"], ["users.tenant_id", "users.id"]),
    ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
    Index("ix_ticket_views_owner", "tenant_id", "owner_id", "created_at", "id"),
    Index("ix_ticket_views_created", "tenant_id", "created_at", "id"),
)
