"""Processes, the promise ledger, the outbox, and tickets."""

from alembic import op

from migrations.rls import APP_ROLE, protect

revision = "0003_processes_and_tickets"
down_revision = "0001_identity"
branch_labels = None
depends_on = None

TABLES = """
create table processes (
    id uuid not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    kind text not null,
    workflow_id text not null,
    revision integer not null,
    confirmed_revision integer not null,
    final boolean default false not null,
    touched_at timestamp with time zone default clock_timestamp() not null,
    constraint pk_processes primary key (id),
    constraint ck_processes_revision check (revision >= 1),
    constraint ck_processes_confirmed check (confirmed_revision between 0 and revision),
    constraint fk_processes_tenant_id foreign key(tenant_id) references tenants (id),
    constraint uq_processes_workflow_id unique (workflow_id)
);
create index ix_processes_open on processes (id) where not final;
create index ix_processes_unconfirmed on processes (touched_at) where confirmed_revision < revision;

create table deadlines (
    id bigint generated always as identity,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    process text not null,
    process_id uuid not null,
    kind text not null,
    cycle integer not null,
    due_at timestamp with time zone not null,
    owner_id uuid,
    state text not null,
    settled_at timestamp with time zone,
    constraint pk_deadlines primary key (id),
    constraint uq_deadlines_process_id_kind_cycle unique (process_id, kind, cycle),
    constraint ck_deadlines_state check (state in ('ARMED','PAUSED','MET','MISSED','FIRED','CANCELLED')),
    constraint ck_deadlines_settled check ((settled_at is null) = (state in ('ARMED','PAUSED'))),
    constraint fk_deadlines_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_deadlines_process_id foreign key(process_id) references processes (id) on delete cascade
);
create index ix_deadlines_armed on deadlines (due_at) where state = 'ARMED';
create index ix_deadlines_owner_due on deadlines (tenant_id, owner_id, due_at);
create index ix_deadlines_tenant_due on deadlines (tenant_id, due_at, id);

create table notifications (
    id uuid not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    process_id uuid not null,
    revision integer not null,
    rung text not null,
    template text not null,
    recipient text not null,
    channel text not null,
    payload jsonb not null,
    created_at timestamp with time zone default clock_timestamp() not null,
    not_before timestamp with time zone,
    leased_until timestamp with time zone,
    attempts integer default 0 not null,
    delivered_at timestamp with time zone,
    dead_at timestamp with time zone,
    last_error text,
    constraint pk_notifications primary key (id),
    constraint uq_notifications_process_id_rung_template_recipient_channel unique (process_id, rung, template, recipient, channel),
    constraint ck_notifications_channel check (channel in ('EMAIL','IN_APP','WEBHOOK','SLACK')),
    constraint ck_notifications_one_end check (delivered_at is null or dead_at is null),
    constraint fk_notifications_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_notifications_process_id foreign key(process_id) references processes (id) on delete cascade
);
create index ix_notifications_pending on notifications (created_at) where delivered_at is null and dead_at is null;

create table support_tickets (
    id uuid not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    number bigint not null,
    status text not null,
    status_since timestamp with time zone not null,
    customer_email text not null,
    customer_key text generated always as (lower(customer_email)) stored not null,
    subject text not null,
    description text not null,
    priority text not null,
    priority_rank smallint generated always as (case priority when 'URGENT' then 4 when 'HIGH' then 3 when 'MEDIUM' then 2 else 1 end) stored not null,
    severity text not null,
    channel text not null,
    category text,
    sla_tier text not null,
    tags text[] not null,
    fields jsonb not null,
    account_id uuid,
    requester_id uuid,
    assignee_id uuid,
    team_id uuid,
    follow_up_of uuid,
    first_response_at timestamp with time zone,
    resolved_at timestamp with time zone,
    closed_at timestamp with time zone,
    reopens integer not null,
    next_deadline_at timestamp with time zone,
    next_deadline_kind text,
    due_order timestamp with time zone
        generated always as (coalesce(next_deadline_at, '9999-12-31T00:00:00Z'::timestamptz)) stored not null,
    created_at timestamp with time zone not null,
    updated_at timestamp with time zone not null,
    version integer not null,
    constraint pk_support_tickets primary key (id),
    constraint uq_support_tickets_tenant_id_number unique (tenant_id, number),
    constraint uq_support_tickets_tenant_id_id unique (tenant_id, id),
    constraint fk_support_tickets_tenant_id_account_id foreign key(tenant_id, account_id) references customer_accounts (tenant_id, id),
    constraint fk_support_tickets_tenant_id_requester_id foreign key(tenant_id, requester_id) references users (tenant_id, id),
    constraint fk_support_tickets_tenant_id_assignee_id foreign key(tenant_id, assignee_id) references users (tenant_id, id),
    constraint fk_support_tickets_tenant_id_team_id foreign key(tenant_id, team_id) references teams (tenant_id, id),
    constraint fk_support_tickets_tenant_id_follow_up_of foreign key(tenant_id, follow_up_of) references support_tickets (tenant_id, id),
    constraint ck_support_tickets_status check (status in ('NEW','OPEN','IN_PROGRESS','PENDING_CUSTOMER','PENDING_INTERNAL','RESOLVED','CLOSED','CANCELLED')),
    constraint ck_support_tickets_priority check (priority in ('LOW','MEDIUM','HIGH','URGENT')),
    constraint ck_support_tickets_severity check (severity in ('SEV1','SEV2','SEV3','SEV4')),
    constraint ck_support_tickets_channel check (channel in ('EMAIL','PORTAL','CHAT','PHONE','API')),
    constraint ck_support_tickets_sla_tier check (sla_tier in ('BASIC','PROFESSIONAL','ENTERPRISE','PREMIUM')),
    constraint ck_support_tickets_closed_at check ((closed_at is not null) = (status in ('CLOSED','CANCELLED'))),
    constraint ck_support_tickets_resolved_at check (status <> 'RESOLVED' or resolved_at is not null),
    constraint fk_support_tickets_id foreign key(id) references processes (id),
    constraint fk_support_tickets_tenant_id foreign key(tenant_id) references tenants (id)
)
 with (fillfactor = 85);
create index ix_support_tickets_account on support_tickets (tenant_id, account_id, created_at desc, id desc);
create index ix_support_tickets_assignee on support_tickets (tenant_id, assignee_id, created_at desc, id desc);
create index ix_support_tickets_created on support_tickets (tenant_id, created_at desc, id desc);
create index ix_support_tickets_customer on support_tickets (tenant_id, customer_key, created_at desc, id desc);
create index ix_support_tickets_deadline on support_tickets (tenant_id, due_order, id);
create index ix_support_tickets_priority on support_tickets (tenant_id, priority_rank desc, id desc);
create index ix_support_tickets_status on support_tickets (tenant_id, status, created_at desc, id desc);
create index ix_support_tickets_updated on support_tickets (tenant_id, updated_at desc, id desc);

create table ticket_comments (
    id uuid not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    revision integer not null,
    author_id uuid,
    author_name text not null,
    author_role text not null,
    body text not null,
    internal boolean not null,
    created_at timestamp with time zone not null,
    constraint pk_ticket_comments primary key (id),
    constraint fk_ticket_comments_tenant_id_ticket_id foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_ticket_comments_author_role check (author_role in ('CUSTOMER','AGENT','LEAD','ADMIN')),
    constraint fk_ticket_comments_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_ticket_comments_ticket on ticket_comments (ticket_id, created_at desc, id desc);

create table ticket_search (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    source_id uuid not null,
    internal boolean not null,
    document tsvector not null,
    at timestamp with time zone default now() not null,
    constraint pk_ticket_search primary key (ticket_id, source_id),
    constraint fk_ticket_search_tenant_id_ticket_id foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint fk_ticket_search_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_ticket_search_document on ticket_search using gin (document);

create index ix_ticket_search_newest on ticket_search (tenant_id, at desc, ticket_id desc);

create table ticket_tags (
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    ticket_id uuid not null,
    tag text not null,
    constraint pk_ticket_tags primary key (ticket_id, tag),
    constraint fk_ticket_tags_tenant_id_ticket_id
        foreign key(tenant_id, ticket_id) references support_tickets (tenant_id, id) on delete cascade,
    constraint fk_ticket_tags_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_ticket_tags_tag on ticket_tags (tenant_id, tag, ticket_id);

create table ticket_history (
    process_id uuid not null,
    revision integer not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    command text not null,
    command_id text not null,
    fingerprint text not null,
    payload jsonb not null,
    actor jsonb not null,
    at timestamp with time zone not null,
    decided_at timestamp with time zone not null,
    changes jsonb not null,
    snapshot jsonb not null,
    effects jsonb not null,
    answer jsonb not null,
    constraint pk_ticket_history primary key (process_id, revision),
    constraint uq_ticket_history_process_id_command_id unique (process_id, command_id),
    constraint ck_ticket_history_revision check (revision >= 1),
    constraint fk_ticket_history_process_id foreign key(process_id) references processes (id) on delete cascade,
    constraint fk_ticket_history_tenant_id foreign key(tenant_id) references tenants (id)
);
"""

# A sequence for each tenant: numbers follow one another within a desk and tell nobody how busy the others are.
NUMBERS = f"""
create schema ticket_numbers;
grant usage on schema ticket_numbers to {APP_ROLE};
create function number_tickets() returns trigger language plpgsql security definer
set search_path = pg_catalog, public, pg_temp as $$
begin
    execute format('create sequence ticket_numbers.%I as bigint start 1001', new.id);
    execute format('grant usage on sequence ticket_numbers.%I to {APP_ROLE}', new.id);
    return new;
end $$;
revoke all on function number_tickets() from public;
create trigger number_tickets after insert on tenants for each row execute function number_tickets();
do $$ declare tenant uuid; begin
    for tenant in select id from tenants loop
        execute format('create sequence ticket_numbers.%I as bigint start 1001', tenant);
        execute format('grant usage on sequence ticket_numbers.%I to {APP_ROLE}', tenant);
    end loop;
end $$;
"""

OWNED_TABLES = (
    "processes",
    "deadlines",
    "notifications",
    "support_tickets",
    "ticket_comments",
    "ticket_search",
    "ticket_tags",
    "ticket_history",
)


def upgrade() -> None:
    """Create the tables, protect each, and give every tenant its ticket numbers."""
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table)
    op.execute(NUMBERS)


def downgrade() -> None:
    """Drop everything again."""
    op.execute("drop trigger number_tickets on tenants; drop function number_tickets()")
    op.execute("drop schema ticket_numbers cascade")
    op.execute(f"drop table {', '.join(OWNED_TABLES)} cascade")
