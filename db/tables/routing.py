"""Routing rules: which tickets go to which team, and how they find somebody there."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from db.tables.metadata import METADATA, id_column, record_columns, tenant_column

routing_rules = Table(
    "routing_rules",
    METADATA,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("condition", JSONB, nullable=False),
    Column("team_id", Uuid, nullable=False),
    Column("skills", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("method", Text, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    *record_columns(),
    ForeignKeyConstraint(["tenant_id", "team_id"], ["teams.tenant_id", "teams.id"]),
    CheckConstraint("method in ('LEAST_LOADED','ROUND_ROBIN','MANUAL')", name="method"),
    Index("uq_routing_rules_name", "tenant_id", text("lower(name)"), unique=True, postgresql_where=text("active")),
    Index("ix_routing_rules_order", "tenant_id", "position", "created_at", "id"),
)
