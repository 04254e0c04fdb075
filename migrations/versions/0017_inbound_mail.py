"""Mail in: each mail as it came and what became of it, and the look-ups before its tenant is known."""

from alembic import op

from migrations.rls import APP_ROLE, protect

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
    raw bytea not null,
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
    constraint ck_inbound_mails_reason check ((reason is not null) = (state in ('PARKED','DISCARDED'))),
    constraint fk_inbound_mails_tenant_id foreign key(tenant_id) references tenants (id)
);
-- Base64 hardly gets smaller, and trying costs more than the rest of taking a mail in.
alter table inbound_mails alter column raw set storage external;
-- A mail is noted before its ticket is opened, or what the ticket sends at once would not answer it.
alter table mail_threads drop constraint fk_mail_threads_tenant_id_ticket_id;
create unique index uq_inbound_mails_mailbox_dedupe on inbound_mails (mailbox_id, dedupe_key);
create index ix_inbound_mails_waiting on inbound_mails (received_at, id) where state = 'RECEIVED';
create index ix_inbound_mails_author on inbound_mails (tenant_id, author, received_at, id) where state = 'RECEIVED';
create index ix_inbound_mails_message on inbound_mails (tenant_id, message_id) where message_id is not null;
create index ix_inbound_mails_listed on inbound_mails (tenant_id, received_at desc, id desc);
create index ix_inbound_mails_state on inbound_mails (tenant_id, state, received_at desc, id desc);
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
    # sees the ones before.
    "lease_mails(lease uuid, most integer, seconds double precision)": """
    returns table (id uuid, tenant_id uuid, size integer)
    language plpgsql as $$
    #variable_conflict use_column
    begin
        perform pg_advisory_xact_lock(1398099282);
        return query
            update inbound_mails m
            set lease_id = lease, attempts = m.attempts + 1,
                leased_until = clock_timestamp() + make_interval(secs => seconds)
            where m.id in (
                select o.id from inbound_mails o
                where o.state = 'RECEIVED' and o.not_before <= clock_timestamp()
                  and (o.leased_until is null or o.leased_until < clock_timestamp())
                  and not exists (
                    select from inbound_mails e
                    where e.state = 'RECEIVED' and e.tenant_id = o.tenant_id and e.author = o.author and e.id <> o.id
                      and ((e.received_at, e.id) < (o.received_at, o.id) or e.leased_until >= clock_timestamp()))
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
}


def upgrade() -> None:
    """Create the table, protect it, and add the functions for the application alone."""
    op.execute(TABLES)
    protect("inbound_mails")
    for signature, body in FUNCTIONS.items():
        op.execute(f"create function {signature} {body} security definer set search_path = pg_catalog, public, pg_temp")
        op.execute(f"revoke all on function {signature} from public")
        op.execute(f"grant execute on function {signature} to {APP_ROLE}")


def downgrade() -> None:
    """Take it all away again."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute("""
drop table inbound_mails;
delete from mail_threads m where not exists (select from support_tickets t where t.id = m.ticket_id);
alter table mail_threads add constraint fk_mail_threads_tenant_id_ticket_id
    foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade
""")
