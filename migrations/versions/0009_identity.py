"""When each password was set, so that tokens issued before it are refused."""

from alembic import op

revision = "0009_identity"
down_revision = "0008_metrics"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the instant; null for the passwords there are, which end no token."""
    op.execute("alter table users add column password_set_at timestamp with time zone")


def downgrade() -> None:
    """Drop it again."""
    op.execute("alter table users drop column password_set_at")
