"""SLA calendars, definitions, escalation rules, clocks, breaches and credits; events; jobs; what each tenant begins with."""

from alembic import op

from migrations.rls import protect

revision = "0006_sla"
down_revision = "0005_search_of_ones_own"
branch_labels = None
depends_on = None

TENANT = "tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null"
VERSIONED = f"""
    id uuid not null,
    version integer not null,
    {TENANT},
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    superseded_at timestamp with time zone,
    active boolean default true not null,
    author_id uuid"""


def versioned(table: str, columns: str) -> str:
    """A table whose rows are immutable versions; the one that is not superseded is the current one."""
    return f"""
create table {table} ({VERSIONED},
    {columns},
    constraint pk_{table} primary key (id, version),
    constraint fk_{table}_tenant_id foreign key(tenant_id) references tenants (id),
    constraint ck_{table}_version check (version >= 1)
);
create unique index uq_{table}_current on {table} (id) where superseded_at is null;
create index ix_{table}_tenant_created on {table} (tenant_id, created_at, id) where superseded_at is null;
"""


TABLES = (
    "alter table tenants add column sla_revision bigint default 1 not null;"
    + versioned(
        "sla_calendars",
        """name text not null,
    time_zone text,
    week jsonb not null,
    holidays jsonb default '[]' not null,
    country text""",
    )
    + versioned(
        "sla_definitions",
        """tier text not null,
    severity text not null,
    kind text not null,
    target_minutes integer not null,
    calendar_id uuid not null,
    credit jsonb,
    constraint ck_sla_definitions_tier check (tier in ('BASIC','PROFESSIONAL','ENTERPRISE','PREMIUM')),
    constraint ck_sla_definitions_severity check (severity in ('SEV1','SEV2','SEV3','SEV4')),
    constraint ck_sla_definitions_kind check (kind in ('FIRST_RESPONSE','NEXT_RESPONSE','RESOLUTION')),
    constraint ck_sla_definitions_target check (target_minutes >= 1)""",
    )
    + versioned(
        "escalation_rules",
        """name text not null,
    position integer not null,
    trigger jsonb not null,
    condition jsonb default '{}' not null,
    actions jsonb not null,
    repeat jsonb""",
    )
    + f"""
create unique index uq_sla_calendars_name on sla_calendars (tenant_id, name) where superseded_at is null and active;
create unique index uq_sla_definitions_promise on sla_definitions (tenant_id, tier, severity, kind) where superseded_at is null;

create table sla_clocks (
    {TENANT},
    ticket_id uuid not null,
    kind text not null,
    cycle integer not null,
    state text not null,
    tier text not null,
    severity text not null,
    definition_id uuid not null,
    definition_version integer not null,
    calendar_id uuid not null,
    target_minutes integer not null,
    started_at timestamp with time zone not null,
    running_since timestamp with time zone,
    spent interval not null,
    runs jsonb not null,
    holds text[] not null,
    deadline_at timestamp with time zone,
    met_at timestamp with time zone,
    breached_at timestamp with time zone,
    detected_at timestamp with time zone,
    cause text,
    ended_at timestamp with time zone,
    waived boolean not null,
    constraint pk_sla_clocks primary key (ticket_id, kind, cycle),
    constraint fk_sla_clocks_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_sla_clocks_tenant_id_ticket_id foreign key(tenant_id, ticket_id)
        references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_sla_clocks_state check (state in ('RUNNING','PAUSED','MET','BREACHED','CANCELLED','ANNULLED'))
);
create index ix_sla_clocks_deadline on sla_clocks (tenant_id, deadline_at);

create table sla_breaches (
    id uuid not null,
    {TENANT},
    ticket_id uuid not null,
    kind text not null,
    cycle integer not null,
    deadline_at timestamp with time zone not null,
    breached_at timestamp with time zone not null,
    detected_at timestamp with time zone not null,
    cause text not null,
    account_id uuid,
    definition_id uuid not null,
    definition_version integer not null,
    constraint pk_sla_breaches primary key (id),
    constraint uq_sla_breaches_ticket_id_kind_cycle unique (ticket_id, kind, cycle),
    constraint uq_sla_breaches_tenant_id_id unique (tenant_id, id),
    constraint fk_sla_breaches_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_sla_breaches_tenant_id_ticket_id foreign key(tenant_id, ticket_id)
        references support_tickets (tenant_id, id) on delete cascade,
    constraint ck_sla_breaches_cause check (cause in ('DEADLINE','POLICY_CHANGE')),
    constraint ck_sla_breaches_detected check (detected_at >= breached_at)
);
create index ix_sla_breaches_tenant_breached on sla_breaches (tenant_id, breached_at, id);
create index ix_sla_breaches_account on sla_breaches (tenant_id, account_id, breached_at);

create table sla_breach_actions (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    breach_id uuid not null,
    action text not null,
    reason text,
    amount numeric(14, 3),
    currency char(3),
    actor_id uuid not null,
    actor_name text not null,
    at timestamp with time zone default clock_timestamp() not null,
    constraint pk_sla_breach_actions primary key (id),
    constraint uq_sla_breach_actions_breach_id_action unique (breach_id, action),
    constraint fk_sla_breach_actions_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_sla_breach_actions_tenant_id_breach_id foreign key(tenant_id, breach_id)
        references sla_breaches (tenant_id, id) on delete cascade,
    constraint ck_sla_breach_actions_action check (action in ('ACKNOWLEDGE','WAIVE','CREDIT')),
    constraint ck_sla_breach_actions_amount check
        ((action = 'CREDIT') = (amount is not null) and (amount is null) = (currency is null) and coalesce(amount, 1) > 0)
);

create table sla_credit_proposals (
    {TENANT},
    breach_id uuid not null,
    step integer not null,
    overrun_minutes integer not null,
    percent numeric(6, 3) not null,
    amount numeric(14, 3) not null,
    currency char(3) not null,
    proposed_at timestamp with time zone not null,
    constraint pk_sla_credit_proposals primary key (breach_id, step),
    constraint fk_sla_credit_proposals_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_sla_credit_proposals_tenant_id_breach_id foreign key(tenant_id, breach_id)
        references sla_breaches (tenant_id, id) on delete cascade
);

create table events (
    seq bigint generated always as identity,
    {TENANT},
    xid bigint default pg_current_xact_id()::text::bigint not null,
    type text not null,
    entity text not null,
    entity_id uuid not null,
    version integer not null,
    at timestamp with time zone not null,
    internal boolean not null,
    account_id uuid,
    address text,
    payload jsonb not null,
    constraint pk_events primary key (seq),
    constraint fk_events_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_events_tenant_xid on events (tenant_id, xid, seq);

create table jobs (
    id uuid not null,
    {TENANT},
    kind text not null,
    state text default 'QUEUED' not null,
    input jsonb not null,
    cursor jsonb,
    done integer default 0 not null,
    total integer,
    failures jsonb default '[]' not null,
    result jsonb,
    author jsonb not null,
    leased_until timestamp with time zone,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null,
    constraint pk_jobs primary key (id),
    constraint fk_jobs_tenant_id foreign key(tenant_id) references tenants (id),
    constraint ck_jobs_state check (state in ('QUEUED','RUNNING','DONE','FAILED'))
);
create index ix_jobs_open on jobs (created_at, id) where state in ('QUEUED','RUNNING');
create index ix_jobs_tenant_created on jobs (tenant_id, created_at, id);

alter table support_tickets
    add column sla_standing text default 'ok' not null,
    add column at_risk_at timestamp with time zone,
    add column overdue_since timestamp with time zone,
    drop column due_order,
    add constraint ck_support_tickets_sla_standing check (sla_standing in ('ok','breached','paused'));
alter table support_tickets
    add column due_order timestamp with time zone generated always as
        (coalesce(least(overdue_since, next_deadline_at), '9999-12-31T00:00:00Z'::timestamptz)) stored not null;
alter table notifications drop constraint ck_notifications_channel;
alter table notifications add constraint ck_notifications_channel
    check (channel in ('EMAIL','IN_APP','WEBHOOK','SLACK','PREFERRED'));
create index ix_support_tickets_deadline on support_tickets (tenant_id, due_order, id);
create index ix_support_tickets_standing on support_tickets (tenant_id, sla_standing, created_at desc, id desc)
    where sla_standing <> 'ok';
create index ix_support_tickets_at_risk on support_tickets (tenant_id, at_risk_at) where at_risk_at is not null;
"""
)

# The guide's tiers (domain/sla/targets.py holds the same matrix, and a test compares them): no ticket is ever without a promise.
SEEDS = """
create function seed_sla() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform seed_sla_of(new.id);
    return new;
end $$;

create function seed_sla_of(tenant uuid) returns void language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
declare
    business constant uuid := gen_random_uuid();
    extended constant uuid := gen_random_uuid();
    always constant uuid := gen_random_uuid();
begin
    insert into sla_calendars (id, version, tenant_id, name, time_zone, week)
    select c.id, 1, tenant, c.name, c.zone, (select jsonb_object_agg(d, jsonb_build_array(jsonb_build_array(c.opens, c.closes)))
                                             from unnest(c.days) d)
    from (values
        (business, 'Business hours', null, '{MON,TUE,WED,THU,FRI}'::text[], '09:00', '17:00'),
        (extended, 'Extended hours', null, '{MON,TUE,WED,THU,FRI}', '07:00', '19:00'),
        (always, 'Round the clock', 'UTC', '{MON,TUE,WED,THU,FRI,SAT,SUN}', '00:00', '24:00')
    ) c(id, name, zone, days, opens, closes);

    insert into sla_definitions (id, version, tenant_id, tier, severity, kind, target_minutes, calendar_id, credit)
    select gen_random_uuid(), 1, tenant, m.tier, m.severity, k.kind,
        case k.kind when 'RESOLUTION' then m.resolution else m.response end,
        case m.tier when 'BASIC' then business when 'PROFESSIONAL' then extended else always end,
        case when m.tier = 'PREMIUM' and k.kind = 'RESOLUTION' then
            jsonb '{"steps": [{"overrun_minutes": 0, "percent": "5"}, {"overrun_minutes": 240, "percent": "10"},
                              {"overrun_minutes": 1440, "percent": "25"}], "cap_percent": "50"}'
        when m.tier = 'PREMIUM' then jsonb '{"steps": [{"overrun_minutes": 0, "percent": "5"}], "cap_percent": "50"}'
        when m.tier = 'ENTERPRISE' and k.kind = 'RESOLUTION' then
            jsonb '{"steps": [{"overrun_minutes": 0, "percent": "5"}, {"overrun_minutes": 1440, "percent": "10"}], "cap_percent": "25"}'
        end
    from (values
        ('BASIC', 'SEV1', 480, 2400), ('BASIC', 'SEV2', 480, 2400), ('BASIC', 'SEV3', 480, 2400), ('BASIC', 'SEV4', 480, 2400),
        ('PROFESSIONAL', 'SEV1', 240, 1440), ('PROFESSIONAL', 'SEV2', 240, 1440),
        ('PROFESSIONAL', 'SEV3', 240, 1440), ('PROFESSIONAL', 'SEV4', 240, 1440),
        ('ENTERPRISE', 'SEV1', 60, 1440), ('ENTERPRISE', 'SEV2', 60, 1440),
        ('ENTERPRISE', 'SEV3', 240, 2880), ('ENTERPRISE', 'SEV4', 240, 2880),
        ('PREMIUM', 'SEV1', 15, 240), ('PREMIUM', 'SEV2', 60, 1440),
        ('PREMIUM', 'SEV3', 240, 2880), ('PREMIUM', 'SEV4', 240, 2880)
    ) m(tier, severity, response, resolution), (values ('FIRST_RESPONSE'), ('RESOLUTION')) k(kind);

    insert into escalation_rules (id, version, tenant_id, name, position, trigger, condition, actions)
    select gen_random_uuid(), 1, tenant, r.name, r.position, r.trigger, r.condition, r.actions
    from (values
        ('Warn the assignee at 50 %', 1, jsonb '{"type": "CLOCK_PERCENT", "percent": 50}', jsonb '{}',
            jsonb '[{"type": "NOTIFY", "to": "ASSIGNEE"}]'),
        ('Warn the team lead at 75 %', 2, '{"type": "CLOCK_PERCENT", "percent": 75}', '{}', '[{"type": "NOTIFY", "to": "TEAM_LEAD"}]'),
        ('Warn on-call at 90 %', 3, '{"type": "CLOCK_PERCENT", "percent": 90}', '{}', '[{"type": "NOTIFY", "to": "ON_CALL"}]'),
        ('Breach to the managers', 4, '{"type": "CLOCK_PERCENT", "percent": 100}', '{}',
            '[{"type": "NOTIFY", "to": "ROLE", "role": "LEAD"}]'),
        ('Page engineering for PREMIUM SEV1 and SEV2', 5, '{"type": "CREATED"}',
            '{"tiers": ["PREMIUM"], "severities": ["SEV1", "SEV2"]}', '[{"type": "PAGE"}]')
    ) r(name, position, trigger, condition, actions);
end $$;

revoke all on function seed_sla() from public;
revoke all on function seed_sla_of(uuid) from public;
create trigger seed_sla after insert on tenants for each row execute function seed_sla();
select seed_sla_of(id) from tenants;
"""

OWNED_TABLES = (
    "sla_calendars",
    "sla_definitions",
    "escalation_rules",
    "sla_clocks",
    "sla_breaches",
    "sla_breach_actions",
    "sla_credit_proposals",
    "events",
    "jobs",
)


def upgrade() -> None:
    """Create the tables, protect each, and give every tenant the guide's promises."""
    op.execute(TABLES)
    for table in OWNED_TABLES:
        protect(table)
    op.execute(SEEDS)


def downgrade() -> None:
    """Drop everything again."""
    op.execute("drop trigger seed_sla on tenants; drop function seed_sla(); drop function seed_sla_of(uuid)")
    op.execute(f"drop table {', '.join(reversed(OWNED_TABLES))} cascade")
    op.execute("""
alter table tenants drop column sla_revision;
alter table support_tickets drop column due_order, drop column sla_standing, drop column at_risk_at, drop column overdue_since;
alter table support_tickets add column due_order timestamp with time zone
    generated always as (coalesce(next_deadline_at, '9999-12-31T00:00:00Z'::timestamptz)) stored not null;
create index ix_support_tickets_deadline on support_tickets (tenant_id, due_order, id);
""")
