"""What every tenant begins with was created in one instant, and came in random order in lists; now it has an order."""

from alembic import op

revision = "0010_order_of_seeds"
down_revision = "0009_identity"
branch_labels = None
depends_on = None

# Lists show the newest first, so each of them is a microsecond older than the one that it follows: as the guide's tables go.
ORDER = """
create function order_seeds(tenant uuid) returns void language sql set search_path = pg_catalog, public, pg_temp as $$
    update sla_calendars c set created_at = c.created_at - o.place * interval '1 microsecond'
    from (
        select id, row_number() over (order by name) as place
        from sla_calendars where tenant_id = tenant and version = 1 and author_id is null
    ) o where c.id = o.id;
    update sla_definitions d set created_at = d.created_at - o.place * interval '1 microsecond'
    from (
        select id, row_number() over (
            order by array_position('{BASIC,PROFESSIONAL,ENTERPRISE,PREMIUM}'::text[], tier), severity, kind
        ) as place
        from sla_definitions where tenant_id = tenant and version = 1 and author_id is null
    ) o where d.id = o.id;
$$;

revoke all on function order_seeds(uuid) from public;
"""

SEED = """
create or replace function seed_sla() returns trigger language plpgsql
security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform seed_sla_of(new.id);
    {then}
    return new;
end $$;
"""


def upgrade() -> None:
    """Order what there is, and from now on what each new tenant begins with."""
    op.execute(ORDER + SEED.format(then="perform order_seeds(new.id);"))
    op.execute("select order_seeds(id) from tenants")


def downgrade() -> None:
    """Order nothing from now on; what is in order may stay so."""
    op.execute(SEED.format(then="") + "drop function order_seeds(uuid);")
