"""What customers thought of how their tickets were resolved: once for each resolution, and never changed."""

from sqlalchemy import (
    CheckConstraint,
    Column,
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

from db.tables.metadata import INSTANT, METADATA, id_column, tenant_column

ticket_ratings = Table(
    "ticket_ratings",
    METADATA,
    id_column(),
    tenant_column(),
    Column("ticket_id", Uuid, nullable=False),
    Column("resolution", Integer, nullable=False, comment="Which of the ticket's resolutions: the first is 1."),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("rated_by", Uuid, comment="Nothing for whoever followed the link of the survey's mail."),
    Column("rated_by_name", Text, nullable=False),
    Column("assignee_id", Uuid, comment="Whose work was rated: the ticket's assignee at that moment."),
    Column("team_id", Uuid),
    Column("at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
    UniqueConstraint("ticket_id", "resolution"),
    ForeignKeyConstraint(
        ["tenant_id", "ticket_id"], ["support_tickets.tenant_id", "support_tickets.id"], ondelete="CASCADE"
    ),
    CheckConstraint("score between 1 and 5", name="score"),
    CheckConstraint("resolution >= 1", name="resolution"),
    Index("ix_ticket_ratings_list", "tenant_id", "at", "id"),
    Index("ix_ticket_ratings_at", "at"),
)
