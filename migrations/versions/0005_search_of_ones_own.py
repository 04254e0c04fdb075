"""A search looks at the texts that its reader may see: others' texts do not push a customer's own beyond the cap."""

from alembic import op

from migrations.rls import exempt

revision = "0005_search_of_ones_own"
down_revision = "0004_exempt_functions"
branch_labels = None
depends_on = None

NEW = "search_tickets(q text, staff boolean, cap integer, address text, account uuid)"

# As in 0004, and narrowed first to the tickets of `address` or `account`, where one is given.
SEARCH = """
    returns setof uuid
    language plpgsql stable set plan_cache_mode = force_custom_plan as $$
    declare
        mine constant uuid := nullif(current_setting('summit.tenant', true), '')::uuid;
        everybody constant boolean := address is null and account is null;
        wanted tsquery;
    begin
        begin
            wanted := websearch_to_tsquery('english', q);
        exception when internal_error then  -- hundreds of negations are more than its stack holds
            wanted := plainto_tsquery('english', q);
        end;
        return query
            select t.id from support_tickets t
            where t.tenant_id = mine
              and t.number = (case when q ~* '^(SUP-)?[0-9]{1,15}$' then regexp_replace(q, '^\\D+', '')::bigint end);
        return query
            select t.id from support_tickets t
            where t.tenant_id = mine and t.customer_key = lower(q) order by t.created_at desc limit cap;
        if wanted::text ~ '<(-|[0-9]+)>' then
            return query
                with hit as materialized (
                    select s.ticket_id, s.at from ticket_search s
                    where s.tenant_id = mine and s.document @@ wanted and (staff or not s.internal)
                      and (everybody or s.ticket_id in (
                        select t.id from support_tickets t
                        where t.tenant_id = mine and (t.customer_key = lower(address) or t.account_id = account)))
                )
                select h.ticket_id from hit h order by h.at desc, h.ticket_id desc limit cap;
        else
            return query
                select s.ticket_id from ticket_search s
                where s.tenant_id = mine and s.document @@ wanted and (staff or not s.internal)
                  and (everybody or s.ticket_id in (
                    select t.id from support_tickets t
                    where t.tenant_id = mine and (t.customer_key = lower(address) or t.account_id = account)))
                order by s.at desc, s.ticket_id desc limit cap;
        end if;
    end
    $$"""


def upgrade() -> None:
    """Create the new function as 0004 creates its own. The old one stays for the release before."""
    exempt(NEW, SEARCH)


def downgrade() -> None:
    """Drop it."""
    op.execute(f"drop function {NEW}")
