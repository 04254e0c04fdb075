"""Webhooks keep the secret before beside the new one, for as long as both sign, and number events; wordings have a version."""

from alembic import op

revision = "0019_webhook_secrets"
down_revision = "0018_desk_indexes"
branch_labels = None
depends_on = None


UNNUMBERED = "'data', f.payload"
NUMBERED = f"'sequence', f.seq, {UNNUMBERED}"


def deliver(old: str, new: str) -> None:
    """Have what makes deliveries for webhooks write another body."""
    op.execute(f"""
do $do$ declare written text := pg_get_functiondef('pump_webhooks(integer)'::regprocedure); begin
    if position($old${old}$old$ in written) = 0 then raise exception 'pump_webhooks is another one'; end if;
    execute replace(written, $old${old}$old$, $new${new}$new$);
end $do$
""")


def upgrade() -> None:
    """Add the columns, and number what is delivered; the release before signs with the new secret alone, and leaves
    the version of a wording as it is.
    """
    op.execute("""
alter table webhooks
    add column previous_secret text,
    add column previous_secret_until timestamp with time zone,
    add constraint ck_webhooks_previous_secret check ((previous_secret is null) = (previous_secret_until is null));
""")
    deliver(UNNUMBERED, NUMBERED)
    op.execute("alter table mail_templates add column version bigint default 1 not null")


def downgrade() -> None:
    """Take it away again: what verifies with the secret before finds no signature of it any more."""
    op.execute("alter table mail_templates drop column version")
    deliver(NUMBERED, UNNUMBERED)
    op.execute("""
alter table webhooks drop constraint ck_webhooks_previous_secret, drop column previous_secret, drop column previous_secret_until;
""")
