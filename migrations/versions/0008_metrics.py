"""Jobs are leased across tenants, promises are found by the deadline that stood, and what Prometheus reads is kept up to date in small steps."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0008_metrics"
down_revision = "0007_notifications"
branch_labels = None
depends_on = None

TENANT = "tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null"

# Clocks kept while they were paused had no deadline; the instant at which they were kept stands for it. A column, because under
# row-level security an index on coalesce(), which counts as leaky, would not be searched.
TABLES = f"""
alter table jobs add column lease_id uuid, add column attempts integer default 0 not null;

alter table sla_clocks add column judged_at timestamp with time zone
    generated always as (coalesce(breached_at, deadline_at, met_at)) stored;
create index ix_sla_clocks_judged on sla_clocks (tenant_id, judged_at);
create index ix_sla_breaches_detected on sla_breaches (detected_at);

create table measured_tickets (
    ticket_id uuid not null,
    {TENANT},
    status text not null,
    responded boolean not null,
    resolved_at timestamp with time zone,
    constraint pk_measured_tickets primary key (ticket_id),
    constraint fk_measured_tickets_tenant_id foreign key(tenant_id) references tenants (id)
);

create table measures (
    {TENANT},
    name text not null,
    label text not null,
    upto double precision not null,
    count bigint not null,
    sum double precision not null,
    constraint pk_measures primary key (tenant_id, name, label, upto),
    constraint fk_measures_tenant_id foreign key(tenant_id) references tenants (id)
);

create table measured_until (
    {TENANT},
    tickets_at timestamp with time zone default '-infinity' not null,
    ticket_id uuid default '00000000-0000-0000-0000-000000000000' not null,
    swept_id uuid default '00000000-0000-0000-0000-000000000000' not null,
    breaches_at timestamp with time zone default '-infinity' not null,
    judged_at timestamp with time zone default '-infinity' not null,
    constraint pk_measured_until primary key (tenant_id),
    constraint fk_measured_until_tenant_id foreign key(tenant_id) references tenants (id)
);
"""

OWNED_TABLES = ("measured_tickets", "measures", "measured_until")

FUNCTIONS = {
    # The job that has waited longest and that nobody has, of any tenant; a crashed runner's job is free when its lease ends.
    "lease_job(kinds text[], lease uuid, seconds double precision)": """
    returns table (id uuid, tenant_id uuid, kind text, input jsonb, author jsonb, cursor jsonb, done integer, total integer,
        attempts integer)
    language sql as $$
        update jobs j set state = 'RUNNING', lease_id = lease, attempts = j.attempts + 1,
            leased_until = clock_timestamp() + make_interval(secs => seconds), updated_at = now(), version = j.version + 1
        where j.id = (
            select o.id from jobs o
            where o.state in ('QUEUED', 'RUNNING') and o.kind = any (kinds)
              and (o.leased_until is null or o.leased_until < clock_timestamp())
            order by coalesce(o.leased_until, o.created_at), o.id
            limit 1 for update skip locked
        )
        returning j.id, j.tenant_id, j.kind, j.input, j.author, j.cursor, j.done, j.total, j.attempts
    $$""",
    # Bring the measures up to date; null while another process is at it, else how many tickets were looked at. A ticket is
    # compared with what was measured of it, so that looking twice, which the overlap makes us do, counts once. A slow sweep
    # through all of them finds what was written with an instant long past: by an import, a restoration, a late worker.
    "refresh_measures(bounds double precision[], lag_bounds double precision[], overlap interval, most integer)": """
    returns integer
    language plpgsql as $$
    declare
        tenant record;
        looked integer;
        total integer := 0;
        swept_page constant integer := 5000;
        nobody constant uuid := '00000000-0000-0000-0000-000000000000';
        settled constant timestamptz := clock_timestamp() - overlap;
    begin
        if not pg_try_advisory_xact_lock(1398099281) then
            return null;
        end if;
        insert into measured_until (tenant_id) select id from tenants on conflict do nothing;
        for tenant in select * from measured_until order by tenant_id loop
            with swept as (
                select t.id, t.updated_at, t.status, t.sla_tier, t.created_at, t.first_response_at, t.resolved_at
                from support_tickets t where t.tenant_id = tenant.tenant_id and t.id > tenant.swept_id order by t.id limit swept_page
            ), page as (
                (select t.id, t.updated_at, t.status, t.sla_tier, t.created_at, t.first_response_at, t.resolved_at
                 from support_tickets t
                 where t.tenant_id = tenant.tenant_id and (t.updated_at, t.id) > (tenant.tickets_at, tenant.ticket_id)
                 order by t.updated_at, t.id limit most)
                union all
                (select t.id, null, t.status, t.sla_tier, t.created_at, t.first_response_at, t.resolved_at
                 from support_tickets t left join measured_tickets m on m.ticket_id = t.id
                 where t.tenant_id = tenant.tenant_id and t.updated_at > tenant.tickets_at - overlap
                   and (t.updated_at, t.id) <= (tenant.tickets_at, tenant.ticket_id)
                   and (m.ticket_id is null or m.status <> t.status or m.responded <> (t.first_response_at is not null)
                        or m.resolved_at is distinct from t.resolved_at)
                 limit most)
                union all
                (select t.id, null, t.status, t.sla_tier, t.created_at, t.first_response_at, t.resolved_at
                 from swept t left join measured_tickets m on m.ticket_id = t.id
                 where t.updated_at <= tenant.tickets_at - overlap
                   and (m.ticket_id is null or m.status <> t.status or m.responded <> (t.first_response_at is not null)
                        or m.resolved_at is distinct from t.resolved_at))
            ), news as (
                select p.*, m.ticket_id is null as fresh, m.status as status_before,
                    p.first_response_at is not null and not coalesce(m.responded, false) as responds,
                    p.resolved_at is not null and p.resolved_at is distinct from m.resolved_at as resolves
                from page p left join measured_tickets m on m.ticket_id = p.id
            ), noted as (
                insert into measured_tickets (ticket_id, tenant_id, status, responded, resolved_at)
                select n.id, tenant.tenant_id, n.status, n.first_response_at is not null, n.resolved_at from news n
                on conflict (ticket_id) do update set status = excluded.status,
                    responded = measured_tickets.responded or excluded.responded,
                    resolved_at = coalesce(excluded.resolved_at, measured_tickets.resolved_at)
                returning 1
            ), counted as (
                select 'tickets' as name, '' as label, 'infinity'::float8 as upto, count(*) as count, 0::float8 as sum
                from news where fresh
                union all
                select 'status', status, 'infinity', count(*), 0 from news where status is distinct from status_before group by 2
                union all
                select 'status', status_before, 'infinity', -count(*), 0 from news where status <> status_before group by 2
                union all
                select 'response', n.sla_tier, bound_of(s.seconds, bounds), count(*), sum(s.seconds)
                from news n, lateral (select greatest(extract(epoch from n.first_response_at - n.created_at), 0)::float8) s(seconds)
                where n.responds group by 2, 3
                union all
                select 'resolution', n.sla_tier, bound_of(s.seconds, bounds), count(*), sum(s.seconds)
                from news n, lateral (select greatest(extract(epoch from n.resolved_at - n.created_at), 0)::float8) s(seconds)
                where n.resolves group by 2, 3
                union all
                select 'lag', b.kind, bound_of(s.seconds, lag_bounds), count(*), sum(s.seconds)
                from sla_breaches b, lateral (select extract(epoch from b.detected_at - b.breached_at)::float8) s(seconds)
                where b.tenant_id = tenant.tenant_id and b.cause = 'DEADLINE'
                  and b.detected_at > tenant.breaches_at and b.detected_at <= settled
                group by 2, 3
            ), added as (
                insert into measures (tenant_id, name, label, upto, count, sum)
                select tenant.tenant_id, c.name, c.label, c.upto, sum(c.count), sum(c.sum)
                from counted c group by c.name, c.label, c.upto having sum(c.count) <> 0
                on conflict (tenant_id, name, label, upto) do update
                    set count = measures.count + excluded.count, sum = measures.sum + excluded.sum
                returning 1
            ), reached as (
                select p.updated_at, p.id from page p where p.updated_at is not null order by p.updated_at desc, p.id desc limit 1
            ), advanced as (
                update measured_until u set
                    tickets_at = coalesce(case when exists (select from reached) then least((select r.updated_at from reached r), clock_timestamp()) end, u.tickets_at),
                    ticket_id = coalesce((select r.id from reached r), u.ticket_id),
                    swept_id = coalesce((select s.id from swept s order by s.id offset swept_page - 1), nobody)
                where u.tenant_id = tenant.tenant_id
                returning 1
            )
            select count(*) into looked from page where updated_at is not null and (select count(*) from added) >= 0
                and (select count(*) from noted) >= 0 and (select count(*) from advanced) >= 0;
            total := greatest(total, looked);
            update measured_until set breaches_at = greatest(breaches_at, settled) where tenant_id = tenant.tenant_id;
            if tenant.judged_at < clock_timestamp() - interval '1 minute' then
                update measured_until set judged_at = clock_timestamp() where tenant_id = tenant.tenant_id;
                delete from measures where tenant_id = tenant.tenant_id and name in ('met', 'breached');
                insert into measures (tenant_id, name, label, upto, count, sum)
                select tenant.tenant_id, lower(c.state), c.kind, 'infinity', count(*), 0 from sla_clocks c
                where c.tenant_id = tenant.tenant_id and c.state in ('MET', 'BREACHED')
                  and c.judged_at >= now() - interval '30 days' and c.judged_at < now()
                group by c.state, c.kind;
            end if;
        end loop;
        return total;
    end $$""",
    # The measures of all tenants together; which tenant has how many is not told.
    "all_measures()": """
    returns table (name text, label text, upto double precision, count bigint, sum double precision)
    language sql stable as $$
        select m.name, m.label, m.upto, sum(m.count)::bigint, sum(m.sum) from measures m group by m.name, m.label, m.upto
    $$""",
}

# The bucket of a value: the first bound that is not below it. Not exempt: it reads nothing.
BOUND = """
create function bound_of(value double precision, bounds double precision[]) returns double precision
language sql immutable parallel safe as $$
    select coalesce(min(b), 'infinity') from unnest(bounds) b where b >= value
$$
"""


def upgrade() -> None:
    """Create each table protected, and each function with its owner's rights and a fixed search path."""
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table, grants="select")
    op.execute(BOUND)
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Drop everything again."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute("drop function bound_of(double precision, double precision[])")
    op.execute(f"drop table {', '.join(OWNED_TABLES)}")
    op.execute("drop index ix_sla_breaches_detected; alter table sla_clocks drop column judged_at")
    op.execute("alter table jobs drop column lease_id, drop column attempts")
