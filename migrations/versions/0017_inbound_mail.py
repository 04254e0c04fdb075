"""Mail in: each mail as it came and what became of it, and the look-ups before its tenant is known."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0017_inbound_mail"
down_revision = "0016_outgoing_mail"
branch_labels = None
depends_on = None

TABLES = """
create table inbound_mails (
    id uuid not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    mailbox_id uuid not null,
    dedupe_key text not null,
    content_hash text not null,
    message_id text,
    envelope_sender text,
    recipient text not null,
    author text not null,
    subject text not null,
    size integer not null,
    raw bytea,
    state text default 'RECEIVED' not null,
    reason text,
    detail text,
    plan jsonb,
    ticket_id uuid,
    comment_id uuid,
    accepted boolean default false not null,
    attempts integer default 0 not null,
    not_before timestamp with time zone default clock_timestamp() not null,
    lease_id uuid,
    leased_until timestamp with time zone,
    received_at timestamp with time zone default clock_timestamp() not null,
    updated_at timestamp with time zone default clock_timestamp() not null,
    version integer default 1 not null,
    constraint pk_inbound_mails primary key (id),
    constraint fk_inbound_mails_tenant_id_mailbox_id foreign key(tenant_id, mailbox_id) references mailboxes (tenant_id, id),
    constraint ck_inbound_mails_state check (state in ('RECEIVED','DONE','PARKED','DISCARDED')),
    constraint ck_inbound_mails_raw check (raw is not null or state = 'DONE'),
    constraint ck_inbound_mails_reason check ((reason is not null) = (state in ('PARKED','DISCARDED'))),
    constraint fk_inbound_mails_tenant_id foreign key(tenant_id) references tenants (id)
);
-- Base64 hardly gets smaller, and trying costs more than the rest of taking a mail in.
alter table inbound_mails alter column raw set storage external;
-- A mail is noted before its ticket is opened, or what the ticket sends at once would not answer it.
alter table mail_threads drop constraint fk_mail_threads_tenant_id_ticket_id;
create index ix_mail_threads_at on mail_threads (at);
create unique index uq_inbound_mails_mailbox_dedupe on inbound_mails (mailbox_id, dedupe_key);
create index ix_inbound_mails_waiting on inbound_mails (received_at, id) where state = 'RECEIVED';
create index ix_inbound_mails_author on inbound_mails (tenant_id, author, received_at, id) where state = 'RECEIVED';
create index ix_inbound_mails_leased on inbound_mails (tenant_id, author) where state = 'RECEIVED' and lease_id is not null;
create index ix_inbound_mails_message on inbound_mails (tenant_id, message_id) where message_id is not null;
create index ix_inbound_mails_listed on inbound_mails (tenant_id, received_at desc, id desc);
create index ix_inbound_mails_state on inbound_mails (tenant_id, state, received_at desc, id desc);
create index ix_inbound_mails_reason on inbound_mails (tenant_id, reason, received_at desc, id desc) where reason is not null;
create index ix_inbound_mails_ticket on inbound_mails (tenant_id, ticket_id, received_at desc, id desc) where ticket_id is not null;
create index ix_inbound_mails_kept on inbound_mails (state, updated_at) where state in ('DONE','DISCARDED') and raw is not null;
"""

FUNCTIONS = {
    # Whose mailboxes these addresses are, at RCPT, when nobody knows a tenant yet; nothing but ids is told.
    "find_mailboxes(wanted text[])": """
    returns table (address text, id uuid, tenant_id uuid)
    language sql stable as $$
        select m.address, m.id, m.tenant_id from mailboxes m where m.active and m.address = any (wanted)
    $$""",
    # The mails of any tenant that have waited longest and that nobody has. Of one author only the oldest, and none while
    # another is being taken in: what somebody wrote first comes first. Leases are given out one after another, so that each
    # sees the ones before. However many mails wait, so many are looked at: the authors of the 500 oldest, and when those are
    # few, because somebody writes very much, a thousand of the others too.
    "lease_mails(lease uuid, most integer, seconds double precision)": """
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
                select f.id from authors a cross join lateral (
                    select w.id from inbound_mails w
                    where w.state = 'RECEIVED' and w.tenant_id = a.tenant_id and w.author = a.author
                    order by w.received_at, w.id limit 1
                ) f
                where not exists (
                    select from inbound_mails e
                    where e.state = 'RECEIVED' and e.lease_id is not null and e.tenant_id = a.tenant_id and e.author = a.author
                      and e.leased_until >= clock_timestamp())
            )
            update inbound_mails m
            set lease_id = lease, attempts = m.attempts + 1,
                leased_until = clock_timestamp() + make_interval(secs => seconds)
            where m.id in (
                select o.id from inbound_mails o
                where o.id = any (array(select f.id from firsts f))
                  and o.state = 'RECEIVED' and o.not_before <= clock_timestamp()
                  and (o.leased_until is null or o.leased_until < clock_timestamp())
                order by o.received_at, o.id limit most for update skip locked)
            returning m.id, m.tenant_id, m.size;
    end
    $$""",
    # A process that is alive keeps what it has leased; which of these mails it still has.
    "renew_mails(ids uuid[], leases uuid[], seconds double precision)": """
    returns table (id uuid, lease_id uuid)
    language sql as $$
        update inbound_mails m set leased_until = clock_timestamp() + make_interval(secs => seconds)
        from unnest(ids, leases) w(id, lease_id)
        where m.id = w.id and m.lease_id = w.lease_id and m.state = 'RECEIVED'
        returning m.id, m.lease_id
    $$""",
    # Of what was discarded before one instant nothing stays; of what was done before the other only what became of it.
    "prune_mails(discarded timestamptz, done timestamptz, most integer)": """
    returns integer
    language sql volatile as $$
        with unwanted as (
            select m.id from inbound_mails m where m.state = 'DISCARDED' and m.raw is not null and m.updated_at < discarded
            order by m.updated_at limit most for update skip locked
        ), gone as (
            delete from inbound_mails m using unwanted u where m.id = u.id returning 1
        ), read as (
            select m.id from inbound_mails m where m.state = 'DONE' and m.raw is not null and m.updated_at < done
            order by m.updated_at limit most for update skip locked
        ), blanked as (
            update inbound_mails m set raw = null from read r where m.id = r.id returning 1
        )
        select ((select count(*) from gone) + (select count(*) from blanked))::integer
    $$""",
    # What was noted for a ticket that never came to be, in the week before; whatever is older was looked at before.
    "prune_mail_threads(before timestamptz)": """
    returns integer
    language sql volatile as $$
        with gone as (
            delete from mail_threads m
            where m.at < before and m.at >= before - interval '7 days'
              and not exists (select from support_tickets t where t.id = m.ticket_id)
            returning 1
        )
        select count(*)::integer from gone
    $$""",
}


def upgrade() -> None:
    """Create the table, protect it, and add the functions for the application alone."""
    op.execute(TABLES)
    protect("inbound_mails")
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Take it all away again."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute("""
drop table inbound_mails;
drop index ix_mail_threads_at;
delete from mail_threads m where not exists (select from support_tickets t where t.id = m.ticket_id);
alter table mail_threads add constraint fk_mail_threads_tenant_id_ticket_id
    foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade
""")
