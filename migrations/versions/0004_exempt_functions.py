"""The only code that row-level security does not bind: look-ups before a tenant is known, the auditor, and text search."""

from alembic import op

from migrations.rls import exempt

revision = "0004_exempt_functions"
down_revision = "0003_processes_and_tickets"
branch_labels = None
depends_on = None

FUNCTIONS = {
    # Who may be signing in with this address; the API checks the password. Also tells the tenants apart.
    "login_candidates(address text)": """
    returns table (tenant_id uuid, slug text, is_default boolean, user_id uuid, password_hash text)
    language sql stable as $$
        select t.id, t.slug, t.is_default, u.id, u.password_hash
        from users u join tenants t on t.id = u.tenant_id
        where lower(u.email) = lower(address) and u.active and u.password_hash is not null
        order by t.is_default desc, t.created_at, t.id
        limit 5
    $$""",
    # The tenant of a public call: by slug when one is named, else by host, else the only one, else the default.
    "public_tenant(named text, host text)": """
    returns table (id uuid, slug text)
    language sql stable as $$
        select t.id, t.slug from tenants t where t.slug = named
        union all
        (
            select t.id, t.slug
            from tenants t left join tenant_domains d on d.tenant_id = t.id and d.domain = lower(host)
            where named is null
              and (d.domain is not null or t.is_default or not exists (select from tenants o where o.id <> t.id))
            order by (d.domain is not null) desc, t.is_default desc
            limit 1
        )
    $$""",
    # Tickets whose texts match, of the transaction's tenant only: those of the newest `cap` matching texts. Text operators are
    # not leakproof, so under row-level security their index would go unused. The planner walks the newest texts for common
    # words and the text index for rare ones; phrases it underestimates, so they always take the text index.
    "search_tickets(q text, staff boolean, cap integer)": """
    returns setof uuid
    language plpgsql stable set plan_cache_mode = force_custom_plan as $$
    declare
        mine constant uuid := nullif(current_setting('summit.tenant', true), '')::uuid;
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
                )
                select h.ticket_id from hit h order by h.at desc, h.ticket_id desc limit cap;
        else
            return query
                select s.ticket_id from ticket_search s
                where s.tenant_id = mine and s.document @@ wanted and (staff or not s.internal)
                order by s.at desc, s.ticket_id desc limit cap;
        end if;
    end
    $$""",
    # Answered updates; a row that a decision holds is skipped, because that decision confirms it.
    "confirm_processes(ids uuid[], revisions integer[])": """
    returns integer
    language sql as $$
        with answered as (
            select p.id, least(a.revision, p.revision) as revision
            from unnest(ids, revisions) a(id, revision) join processes p on p.id = a.id
            where p.confirmed_revision < least(a.revision, p.revision)
            order by p.id
            for update of p skip locked
        ), moved as (
            update processes p set confirmed_revision = a.revision from answered a where p.id = a.id returning 1
        )
        select count(*)::integer from moved
    $$""",
    # The auditor: processes with a deadline that should have been handled before `due`.
    "auditor_overdue(due timestamptz, most integer)": """
    returns table (id uuid, tenant_id uuid, kind text, workflow_id text, due_at timestamptz)
    language sql stable as $$
        select p.id, p.tenant_id, p.kind, p.workflow_id, min(d.due_at)
        from (select * from deadlines where state = 'ARMED' and due_at < due order by due_at limit most) d
        join processes p on p.id = d.process_id
        group by p.id
        order by min(d.due_at)
    $$""",
    # The auditor: processes with a revision that nobody has confirmed since `before`.
    "auditor_unconfirmed(before timestamptz, most integer)": """
    returns table (id uuid, tenant_id uuid, kind text, workflow_id text)
    language sql stable as $$
        select p.id, p.tenant_id, p.kind, p.workflow_id from processes p
        where p.confirmed_revision < p.revision and p.touched_at < before
        order by p.touched_at
        limit most
    $$""",
    # The auditor's rolling sweep over processes that are still open and have rested since `before`.
    "auditor_open(after uuid, before timestamptz, most integer)": """
    returns table (id uuid, tenant_id uuid, kind text, workflow_id text)
    language sql stable as $$
        select p.id, p.tenant_id, p.kind, p.workflow_id from processes p
        where not p.final and p.id > after and p.touched_at < before
        order by p.id
        limit most
    $$""",
    # The auditor and `summit reconcile`: what Postgres knows of these workflows.
    "auditor_known(workflow_ids text[])": """
    returns table (workflow_id text, id uuid, tenant_id uuid, revision integer, confirmed_revision integer, final boolean)
    language sql stable as $$
        select p.workflow_id, p.id, p.tenant_id, p.revision, p.confirmed_revision, p.final from processes p
        where p.workflow_id = any (workflow_ids)
    $$""",
}


def upgrade() -> None:
    """Create each function with its owner's rights and a fixed search path, callable by the application only."""
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Drop the functions."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
