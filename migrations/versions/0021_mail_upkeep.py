"""Mail in: one large mail at a time, and nothing that nobody needs stays for ever."""

from alembic import op

from migrations.rls import exempt

revision = "0021_mail_upkeep"
down_revision = "0020_queues"
branch_labels = None
depends_on = None

# First what the intake locks first. What was noted before counts from now on.
TABLES = """
create index ix_inbound_mails_parked on inbound_mails ((reason in ('AUTOMATIC','BOUNCE','LOOP')), updated_at) where state = 'PARKED';
alter table mail_threads add column noted_at timestamp with time zone default now();
create index ix_mail_threads_noted on mail_threads (noted_at) where noted_at is not null;
drop index ix_mail_threads_at;
"""

FUNCTIONS = {
    # The mails of any tenant that have waited longest and that nobody has; of those with `large` bytes or more `most_large` at
    # most. Of one author only the oldest, and none while another is being taken in: what somebody wrote first comes first. Leases
    # are given out one after another, so that each sees the ones before. However many mails wait, so many are looked at: the
    # authors of the 500 oldest, and when those are few, because somebody writes very much, a thousand of the others too.
    # The release before names no `large`.
    "lease_mails(lease uuid, most integer, seconds double precision, large integer default 2147483647, most_large integer default 0)": """
    returns table (id uuid, tenant_id uuid, size integer)
    language plpgsql as $$
    #variable_conflict use_column
    begin
        perform pg_advisory_xact_lock(1398099282);
        return query
            with recursive oldest as materialized (
                select w.tenant_id, w.author from inbound_mails w where w.state = 'RECEIVED'
                order by w.received_at, w.id limit 500
            ), near as materialized (
                select distinct o.tenant_id, o.author from oldest o
            ), walk as (
                (select w.tenant_id, w.author from inbound_mails w
                 where w.state = 'RECEIVED' and (select count(*) from oldest) = 500 and (select count(*) from near) < 100
                 order by w.tenant_id, w.author limit 1)
                union all
                select n.tenant_id, n.author from walk l cross join lateral (
                    select w.tenant_id, w.author from inbound_mails w
                    where w.state = 'RECEIVED' and (w.tenant_id, w.author) > (l.tenant_id, l.author)
                    order by w.tenant_id, w.author limit 1
                ) n
            ), authors as (
                select n.tenant_id, n.author from near n
                union
                select f.tenant_id, f.author from (select w.tenant_id, w.author from walk w limit 1000) f
            ), firsts as materialized (
                select f.* from authors a cross join lateral (
                    select w.id, w.size, w.received_at, w.not_before, w.leased_until from inbound_mails w
                    where w.state = 'RECEIVED' and w.tenant_id = a.tenant_id and w.author = a.author
                    order by w.received_at, w.id limit 1
                ) f
                where not exists (
                    select from inbound_mails e
                    where e.state = 'RECEIVED' and e.lease_id is not null and e.tenant_id = a.tenant_id and e.author = a.author
                      and e.leased_until >= clock_timestamp())
            ), due as materialized (
                select f.id, f.size, f.received_at from firsts f
                where f.not_before <= clock_timestamp() and (f.leased_until is null or f.leased_until < clock_timestamp())
            ), wanted as materialized (
                select d.id from due d where d.size < large
                union all
                (select d.id from due d where d.size >= large order by d.received_at, d.id limit most_large)
            )
            update inbound_mails m
            set lease_id = lease, attempts = m.attempts + 1,
                leased_until = clock_timestamp() + make_interval(secs => seconds)
            where m.id in (
                select o.id from inbound_mails o
                where o.id = any (array(select w.id from wanted w))
                  and o.state = 'RECEIVED' and o.not_before <= clock_timestamp()
                  and (o.leased_until is null or o.leased_until < clock_timestamp())
                order by o.received_at, o.id limit most for update skip locked)
            returning m.id, m.tenant_id, m.size;
    end
    $$""",
    # Of what was put aside before one instant nothing stays, whether somebody did that or nobody ever needs to decide about it. Of
    # what was done before the other only what became of it stays; what waited for somebody for so long has waited in vain.
    "prune_mails(discarded timestamptz, done timestamptz, most integer)": """
    returns integer
    language sql volatile as $$
        with unwanted as (
            select m.id from inbound_mails m where m.state = 'DISCARDED' and m.raw is not null and m.updated_at < discarded
            order by m.updated_at limit most for update skip locked
        ), needless as (
            select m.id from inbound_mails m
            where m.state = 'PARKED' and (m.reason in ('AUTOMATIC','BOUNCE','LOOP')) and m.updated_at < discarded
            order by m.updated_at limit most for update skip locked
        ), forgotten as (
            select m.id from inbound_mails m
            where m.state = 'PARKED' and not (m.reason in ('AUTOMATIC','BOUNCE','LOOP'))
              and m.updated_at < done and m.updated_at < discarded
            order by m.updated_at limit most for update skip locked
        ), gone as (
            delete from inbound_mails m using (table unwanted union all table needless union all table forgotten) u
            where m.id = u.id returning 1
        ), read as (
            select m.id from inbound_mails m where m.state = 'DONE' and m.raw is not null and m.updated_at < done
            order by m.updated_at limit most for update skip locked
        ), blanked as (
            update inbound_mails m set raw = null from read r where m.id = r.id returning 1
        )
        select ((select count(*) from gone) + (select count(*) from blanked))::integer
    $$""",
    # What was noted for a ticket that never came to be. That one did may never have been said: by the release before, or by who
    # died just then; such rows are looked at no more.
    "prune_mail_threads(before timestamptz, most integer default 1000)": """
    returns integer
    language sql volatile as $$
        with old as (
            select m.id, m.ticket_id from mail_threads m where m.noted_at < before
            order by m.noted_at limit most for update skip locked
        ), known as materialized (
            select o.id, exists (select from support_tickets t where t.id = o.ticket_id) as opened from old o
        ), confirmed as (
            update mail_threads m set noted_at = null from known k where m.id = k.id and k.opened
        ), gone as (
            delete from mail_threads m using known k where m.id = k.id and not k.opened returning 1
        )
        select count(*)::integer from gone
    $$""",
}
BEFORE = (
    "lease_mails(lease uuid, most integer, seconds double precision)",
    "prune_mails(discarded timestamptz, done timestamptz, most integer)",
    "prune_mail_threads(before timestamptz)",
)


def upgrade() -> None:
    """Note since when a mail waits for its ticket, and replace the functions; the release before calls the new ones as it did."""
    op.execute(TABLES)
    for signature in BEFORE:
        op.execute(f"drop function {signature}")
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Take it all away again."""
    from importlib import import_module

    for name in ("lease_mails", "prune_mails", "prune_mail_threads"):
        op.execute(f"drop function {name}")
    bodies = import_module("migrations.versions.0017_inbound_mail").FUNCTIONS
    for signature in BEFORE:
        exempt(signature, bodies[signature])
    op.execute("""
create index ix_mail_threads_at on mail_threads (at);
alter table mail_threads drop column noted_at;
drop index ix_inbound_mails_parked
""")
