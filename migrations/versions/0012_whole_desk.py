"""The whole desk: mailboxes, attachments, routing rules, links, and what tickets and comments know of them."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0012_whole_desk"
down_revision = "0011_notify"
branch_labels = None
depends_on = None

TABLES = """
create table mailboxes (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    address text not null,
    name text not null,
    team_id uuid,
    category text,
    active boolean default true not null,
    is_default boolean default false not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null,
    constraint pk_mailboxes primary key (id),
    constraint uq_mailboxes_tenant_id_id unique (tenant_id, id),
    constraint fk_mailboxes_tenant_id_team_id foreign key(tenant_id, team_id) references teams (tenant_id, id),
    constraint ck_mailboxes_lower check (address = lower(address)),
    constraint fk_mailboxes_tenant_id foreign key(tenant_id) references tenants (id)
);
create unique index uq_mailboxes_address on mailboxes (address) where active;
create unique index uq_mailboxes_default on mailboxes (tenant_id) where is_default;
create table attachments (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid,
    file_name text not null,
    content_type text not null,
    size bigint not null,
    sha256 text not null,
    content_id text,
    uploaded_by uuid,
    created_at timestamp with time zone default now() not null,
    constraint pk_attachments primary key (id),
    constraint uq_attachments_tenant_id_id unique (tenant_id, id),
    constraint ck_attachments_size check (size >= 0),
    constraint ck_attachments_sha256 check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint fk_attachments_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_attachments_sha256 on attachments (tenant_id, sha256);
create index ix_attachments_ticket on attachments (ticket_id, created_at, id);
create table routing_rules (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    name text not null,
    position integer not null,
    condition jsonb not null,
    team_id uuid not null,
    skills text[] default '{}' not null,
    method text not null,
    active boolean default true not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null,
    constraint pk_routing_rules primary key (id),
    constraint fk_routing_rules_tenant_id_team_id foreign key(tenant_id, team_id) references teams (tenant_id, id),
    constraint ck_routing_rules_method check (method in ('LEAST_LOADED','ROUND_ROBIN','MANUAL')),
    constraint fk_routing_rules_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_routing_rules_order on routing_rules (tenant_id, position, created_at, id);
create unique index uq_routing_rules_name on routing_rules (tenant_id, lower(name)) where active;
create table ticket_links (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    type text not null,
    target_id uuid not null,
    constraint pk_ticket_links primary key (ticket_id, type, target_id),
    constraint fk_ticket_links_tenant_id_ticket_id foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_ticket_links_type check (type in ('ARTICLE','INCIDENT','TICKET')),
    constraint fk_ticket_links_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_ticket_links_target on ticket_links (target_id, type);
create table ticket_attachments (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    attachment_id uuid not null,
    ticket_id uuid not null,
    comment_id uuid,
    internal boolean default false not null,
    constraint pk_ticket_attachments primary key (attachment_id),
    constraint fk_ticket_attachments_tenant_id_ticket_id foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint fk_ticket_attachments_tenant_id_attachment_id foreign key(tenant_id, attachment_id) references attachments (tenant_id, id),
    constraint fk_ticket_attachments_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_ticket_attachments_ticket on ticket_attachments (ticket_id, comment_id);
"""

# The constraints are validated, and indexes of the new columns made, in 0018: outside this transaction, while tickets are written.
COLUMNS = """
alter table tenants
    add column routing_revision bigint default 0 not null,
    add column acknowledge boolean default true not null,
    add column merge_reopens boolean default true not null,
    add column mail_key bytea default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex') not null;
comment on column tenants.mail_key is 'Signs reply addresses.';
alter table team_members add column assigned_at timestamp with time zone;
comment on column team_members.assigned_at is 'When the team''s queue last gave this member a ticket.';
alter table support_tickets
    add column merged_into uuid,
    add column external_ref text,
    add column mailbox_id uuid,
    add column language text,
    add column cc text[] default '{}' not null,
    add column watchers uuid[] default '{}' not null,
    add column links jsonb default '[]' not null,
    add column route jsonb,
    add constraint fk_support_tickets_tenant_id_merged_into
        foreign key (tenant_id, merged_into) references support_tickets (tenant_id, id) not valid,
    add constraint fk_support_tickets_tenant_id_mailbox_id
        foreign key (tenant_id, mailbox_id) references mailboxes (tenant_id, id) not valid;
comment on column support_tickets.external_ref is 'The ticket''s id on the desk that it was imported from.';
comment on column support_tickets.route is 'The rule that sent the ticket to its team, and whom of the team it needs.';
alter table ticket_comments
    add column channel text,
    add column automatic boolean default false not null,
    add column quoted text,
    add column call_direction text,
    add column call_seconds integer,
    add constraint ck_ticket_comments_channel check (channel in ('EMAIL','PORTAL','CHAT','PHONE','API')) not valid,
    add constraint ck_ticket_comments_call_direction check (call_direction in ('INBOUND','OUTBOUND')) not valid,
    add constraint ck_ticket_comments_call
        check ((call_direction is null) = (call_seconds is null) and call_seconds >= 0) not valid;
comment on column ticket_comments.channel is 'How it came, where that is not the ticket''s own channel.';
comment on column ticket_comments.quoted is 'The folded part of a mail: what it quotes.';
"""

# Where somebody waits and somebody has room, although no decision has asked: agents come back, queues are restored.
SWEEP = """returns integer language sql as $$
    with q as materialized (
        select distinct s.tenant_id, s.team_id from support_tickets s
        where s.assignee_id is null and s.route is not null and s.status not in ('RESOLVED','CLOSED','CANCELLED')
          and s.route ->> 'method' <> 'MANUAL'
    ), free as materialized (
        select m.team_id, u.id, array(select lower(x) from unnest(u.skills) x) as skills
        from team_members m join users u on u.id = m.user_id
        where m.team_id in (select q.team_id from q)
          and u.active and u.available and u.role <> 'CUSTOMER' and u.capacity > (
            select count(*) from support_tickets s
            where s.assignee_id = u.id and s.status not in ('RESOLVED','CLOSED','CANCELLED'))
    ), made as (
        insert into jobs (id, tenant_id, kind, input, author)
        select gen_random_uuid(), q.tenant_id, 'DRAIN', jsonb_build_object('team', q.team_id), author
        from q
        where exists (
            select from support_tickets s join free f on f.team_id = s.team_id
              and f.skills @> array(select lower(x) from jsonb_array_elements_text(coalesce(s.route -> 'skills', '[]')) x)
              and not coalesce(s.route -> 'declined_by', '[]') ? f.id::text
            where s.team_id = q.team_id and s.assignee_id is null and s.route is not null
              and s.status not in ('RESOLVED','CLOSED','CANCELLED') and s.route ->> 'method' <> 'MANUAL'
        ) and not exists (
            select from jobs j where j.tenant_id = q.tenant_id and j.kind = 'DRAIN' and j.state in ('QUEUED', 'RUNNING')
              and j.input = jsonb_build_object('team', q.team_id)
        )
        returning 1
    )
    select count(*)::integer from made
$$"""

# The dispatcher: drop jobs that ended before `before`, and those that nobody asked for after a day.
PRUNE = """returns integer language sql volatile as $$
    with old as (
        select j.id from jobs j
        where j.state in ('DONE', 'FAILED') and (
            j.updated_at < before or j.kind in ('ABSORB', 'DRAIN') and j.updated_at < now() - interval '1 day')
        limit most
    ), gone as (delete from jobs j using old o where j.id = o.id returning 1)
    select count(*)::integer from gone
$$"""

# Listeners are told which comment was written, and who is writing one: a chat goes over the stream.
LIVE_EVENTS = "live_events(tenants uuid[], after_xid bigint, after_seq bigint, horizon bigint, most integer)"
LIVE = """
returns table (tenant_id uuid, xid bigint, seq bigint, type text, entity text, entity_id uuid, version integer,
    at timestamptz, internal boolean, account_id uuid, address text{column})
language sql stable as $$
    select e.tenant_id, e.xid, e.seq, e.type, e.entity, e.entity_id, e.version, e.at, e.internal, e.account_id, e.address{value}
    from unnest(tenants) t(id) cross join lateral (
        select * from events e
        where e.tenant_id = t.id and (e.xid, e.seq) > (after_xid, after_seq) and e.xid < horizon
        order by e.xid, e.seq limit most
    ) e
    order by e.xid, e.seq limit most
$$"""

WANTED = """where '*' = any (hook.events) or f.type = any (hook.events)
                   or split_part(f.type, '.', 1) || '.*' = any (hook.events)"""
NEWS = """where f.type <> 'ticket.typing' and ('*' = any (hook.events) or f.type = any (hook.events)
                   or split_part(f.type, '.', 1) || '.*' = any (hook.events))"""


def deliver(old: str, new: str) -> None:
    """Put another condition into what makes deliveries for webhooks: nobody wants a call for each time somebody types."""
    op.execute(
        f"""
do $do$ declare written text := pg_get_functiondef('pump_webhooks(integer)'::regprocedure); begin
    if position($old${old}$old$ in written) = 0 then raise exception 'pump_webhooks is another one'; end if;
    execute replace(written, $old${old}$old$, $new${new}$new$);
end $do$
"""
    )


OWNED_TABLES = ("mailboxes", "attachments", "routing_rules", "ticket_links", "ticket_attachments")


def upgrade() -> None:
    """Create the tables, protect each, and add the columns."""
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table)
    op.execute(COLUMNS)
    exempt("queue_drains(author jsonb)", SWEEP)
    exempt("prune_jobs(before timestamptz, most integer)", PRUNE)
    op.execute(f"drop function {LIVE_EVENTS}")
    exempt(LIVE_EVENTS, LIVE.format(column=", payload jsonb", value=", e.payload"))
    deliver(WANTED, NEWS)


def downgrade() -> None:
    """Take it all away again."""
    op.execute("drop function queue_drains(jsonb)")
    op.execute("drop function prune_jobs(timestamptz, integer)")
    op.execute(f"drop function {LIVE_EVENTS}")
    exempt(LIVE_EVENTS, LIVE.format(column="", value=""))
    deliver(NEWS, WANTED)
    op.execute("""
alter table ticket_comments drop column channel, drop column automatic, drop column quoted, drop column call_direction,
    drop column call_seconds;
alter table support_tickets drop column merged_into, drop column external_ref, drop column mailbox_id, drop column language,
    drop column cc, drop column watchers, drop column links, drop column route;
alter table team_members drop column assigned_at;
alter table tenants drop column routing_revision, drop column acknowledge, drop column merge_reopens, drop column mail_key;
""")
    op.execute(f"drop table {', '.join(OWNED_TABLES)} cascade")
