"""Indexes of the desk, the checks of its constraints and the index over old values of fields, made while tickets are written.

What 0012 and 0014 left for it, and lists by team. It runs outside a transaction, so each step can be taken again: where it was
killed, it begins anew.
"""

from alembic import op
from sqlalchemy import text

revision = "0018_desk_indexes"
down_revision = "0017_inbound_mail"
branch_labels = None
depends_on = None

UNRESOLVED = "status not in ('RESOLVED','CLOSED','CANCELLED')"
INDEXES = {
    "ix_support_tickets_external": "(tenant_id, external_ref) where external_ref is not null",
    "ix_support_tickets_waiting": f"""(team_id, created_at, id)
        where assignee_id is null and route is not null and {UNRESOLVED}""",
    "ix_support_tickets_load": f"(assignee_id) where assignee_id is not null and {UNRESOLVED}",
    "ix_support_tickets_team": "(tenant_id, team_id, created_at desc, id desc)",
}
UNIQUE = {"ix_support_tickets_external"}
CHECKS = {
    "support_tickets": ("fk_support_tickets_tenant_id_merged_into", "fk_support_tickets_tenant_id_mailbox_id"),
    "ticket_comments": ("ck_ticket_comments_channel", "ck_ticket_comments_call_direction", "ck_ticket_comments_call"),
}

# Locked, a ticket is read as it is now and stays so until its values are written; the trigger of 0014 sees to what comes after.
VALUES = text("""
with batch as materialized (
    select id, tenant_id, fields from support_tickets
    where id > cast(:after as uuid) and fields <> '{}'::jsonb order by id limit 1000 for share
), made as (
    insert into ticket_field_values (tenant_id, ticket_id, key, value)
    select b.tenant_id, b.id, f.key, f.value from batch b, field_values(b.fields) f
    on conflict do nothing
)
select id from batch order by id desc limit 1
""")
FIRST = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    """Make the indexes, look into the constraints, and index the values that there are, a thousand tickets at a time."""
    with op.get_context().autocommit_block():
        for name, what in INDEXES.items():
            # One whose making was interrupted is there, and good for nothing.
            op.execute(f"drop index concurrently if exists {name}")
            kind = "unique index" if name in UNIQUE else "index"
            op.execute(f"create {kind} concurrently {name} on support_tickets {what}")
        for table, names in CHECKS.items():
            for name in names:
                op.execute(f"alter table {table} validate constraint {name}")
        after = FIRST
        while after is not None:
            after = op.get_bind().execute(VALUES, {"after": after}).scalar()


def downgrade() -> None:
    """Drop the indexes; that constraints hold and values are indexed does no harm."""
    for name in INDEXES:
        op.execute(f"drop index {name}")
