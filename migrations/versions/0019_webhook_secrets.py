"""Webhooks keep the secret before beside the new one, for as long as both sign."""

from alembic import op

revision = "0019_webhook_secrets"
down_revision = "0018_desk_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the release before signs with the new secret alone."""
    op.execute("""
alter table webhooks
    add column previous_secret text,
    add column previous_secret_until timestamp with time zone,
    add constraint ck_webhooks_previous_secret check ((previous_secret is null) = (previous_secret_until is null));
""")


def downgrade() -> None:
    """Take it away again: what verifies with the secret before finds no signature of it any more."""
    op.execute("""
alter table webhooks drop constraint ck_webhooks_previous_secret, drop column previous_secret, drop column previous_secret_until;
""")
