"""What Prometheus reads, kept up to date in small steps: the counts, what was counted already, and how far that has come."""

from sqlalchemy import BigInteger, Boolean, Column, Double, PrimaryKeyConstraint, Table, Text, Uuid, text

from db.tables.metadata import INSTANT, METADATA, tenant_column

measures = Table(
    "measures",
    METADATA,
    tenant_column(),
    Column("name", Text),
    Column("label", Text),
    Column("upto", Double, comment="The bucket's upper bound."),
    Column("count", BigInteger, nullable=False),
    Column("sum", Double, nullable=False),
    PrimaryKeyConstraint("tenant_id", "name", "label", "upto"),
)

measured_tickets = Table(
    "measured_tickets",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    tenant_column(),
    Column("status", Text, nullable=False),
    Column("responded", Boolean, nullable=False),
    Column("resolved_at", INSTANT),
    comment="What was counted of each ticket, so that nothing is counted twice.",
)

measured_until = Table(
    "measured_until",
    METADATA,
    tenant_column(),
    Column("tickets_at", INSTANT, nullable=False, server_default=text("'-infinity'")),
    Column("ticket_id", Uuid, nullable=False, server_default=text("'00000000-0000-0000-0000-000000000000'")),
    Column("swept_id", Uuid, nullable=False, server_default=text("'00000000-0000-0000-0000-000000000000'")),
    Column("breaches_at", INSTANT, nullable=False, server_default=text("'-infinity'")),
    Column("judged_at", INSTANT, nullable=False, server_default=text("'-infinity'")),
    PrimaryKeyConstraint("tenant_id"),
)
