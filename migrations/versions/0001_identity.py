"""Tenants, users, teams, customer accounts, kept answers; the application's role and its row-level security."""

from alembic import op

from migrations.rls import APP_ROLE, protect

revision = "0001_identity"
down_revision = None
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database's migration may be making it at this moment.
ROLE = f"""
do $$ begin
    if not exists (select from pg_roles where rolname = '{APP_ROLE}') then
        create role {APP_ROLE} nologin nosuperuser nobypassrls;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
    if not pg_has_role(current_user, '{APP_ROLE}', 'member') then
        execute format('grant {APP_ROLE} to %I', current_user);
    end if;
end $$;
grant usage on schema public to {APP_ROLE};
"""

RECORD = """
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version integer not null default 1"""

OWNED = "tenant_id uuid not null default nullif(current_setting('summit.tenant', true), '')::uuid"

TABLES = f"""
create table tenants (
    id uuid constraint pk_tenants primary key default gen_random_uuid(),
    slug text not null constraint uq_tenants_slug unique,
    name text not null,
    is_default boolean not null default false,
    remind_after_minutes integer not null default 4320,
    resolve_after_minutes integer not null default 10080,
    reopen_grace_minutes integer not null default 10080,{RECORD},
    constraint ck_tenants_slug check (slug ~ '^[a-z0-9]([a-z0-9-]{{0,61}}[a-z0-9])?$'),
    constraint ck_tenants_minutes check (
        remind_after_minutes >= 0 and resolve_after_minutes >= 0 and reopen_grace_minutes >= 0)
);
create unique index ix_tenants_is_default on tenants (is_default) where is_default;

create table tenant_domains (
    domain text constraint pk_tenant_domains primary key,
    {OWNED} constraint fk_tenant_domains_tenant_id references tenants (id),
    constraint ck_tenant_domains_lower check (domain = lower(domain))
);
create index ix_tenant_domains_tenant_id on tenant_domains (tenant_id);

create table users (
    id uuid constraint pk_users primary key default gen_random_uuid(),
    {OWNED} constraint fk_users_tenant_id references tenants (id),
    email text not null,
    name text not null,
    role text not null,
    password_hash text,
    account_id uuid,
    time_zone text not null default 'UTC',
    active boolean not null default true,
    available boolean not null default true,
    skills text[] not null default '{{}}',
    capacity integer not null default 20,
    preferences jsonb not null default '{{}}',{RECORD},
    constraint uq_users_tenant_id_id unique (tenant_id, id),
    constraint ck_users_role check (role in ('CUSTOMER', 'AGENT', 'LEAD', 'ADMIN')),
    constraint ck_users_account check (account_id is null or role = 'CUSTOMER'),
    constraint ck_users_capacity check (capacity >= 0)
);
create unique index uq_users_tenant_id_lower_email on users (tenant_id, lower(email));
create index ix_users_lower_email on users (lower(email));
create index ix_users_tenant_id_created_at_id on users (tenant_id, created_at, id);
create index ix_users_tenant_id_account_id on users (tenant_id, account_id) where account_id is not null;

create table teams (
    id uuid constraint pk_teams primary key default gen_random_uuid(),
    {OWNED} constraint fk_teams_tenant_id references tenants (id),
    name text not null,
    lead_id uuid,{RECORD},
    constraint uq_teams_tenant_id_id unique (tenant_id, id),
    constraint fk_teams_tenant_id_lead_id foreign key (tenant_id, lead_id) references users (tenant_id, id)
);
create index ix_teams_tenant_id_created_at_id on teams (tenant_id, created_at, id);

create table team_members (
    team_id uuid not null,
    user_id uuid not null,
    {OWNED} constraint fk_team_members_tenant_id references tenants (id),
    constraint pk_team_members primary key (team_id, user_id),
    constraint fk_team_members_tenant_id_team_id
        foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
    constraint fk_team_members_tenant_id_user_id
        foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index ix_team_members_tenant_id_user_id on team_members (tenant_id, user_id);

create table customer_accounts (
    id uuid constraint pk_customer_accounts primary key default gen_random_uuid(),
    {OWNED} constraint fk_customer_accounts_tenant_id references tenants (id),
    name text not null,
    tier text not null,
    time_zone text not null default 'UTC',
    monthly_fee numeric(14, 3) not null default 0,
    currency char(3) not null default 'USD',
    csm_id uuid,
    tam_id uuid,
    renewal_date date,{RECORD},
    constraint uq_customer_accounts_tenant_id_id unique (tenant_id, id),
    constraint fk_customer_accounts_tenant_id_csm_id foreign key (tenant_id, csm_id) references users (tenant_id, id),
    constraint fk_customer_accounts_tenant_id_tam_id foreign key (tenant_id, tam_id) references users (tenant_id, id),
    constraint ck_customer_accounts_tier check (tier in ('BASIC', 'PROFESSIONAL', 'ENTERPRISE', 'PREMIUM')),
    constraint ck_customer_accounts_fee check (monthly_fee >= 0),
    constraint ck_customer_accounts_currency check (currency ~ '^[A-Z]{{3}}$')
);
create index ix_customer_accounts_tenant_id_created_at_id on customer_accounts (tenant_id, created_at, id);

alter table users add constraint fk_users_tenant_id_account_id
    foreign key (tenant_id, account_id) references customer_accounts (tenant_id, id);

create table account_domains (
    {OWNED} constraint fk_account_domains_tenant_id references tenants (id),
    domain text not null,
    account_id uuid not null,
    constraint pk_account_domains primary key (tenant_id, domain),
    constraint fk_account_domains_tenant_id_account_id
        foreign key (tenant_id, account_id) references customer_accounts (tenant_id, id) on delete cascade,
    constraint ck_account_domains_lower check (domain = lower(domain))
);
create index ix_account_domains_tenant_id_account_id on account_domains (tenant_id, account_id);

create table idempotency_keys (
    tenant_id uuid not null constraint fk_idempotency_keys_tenant_id references tenants (id),
    principal text not null,
    route text not null,
    key text not null,
    fingerprint text not null,
    status integer,
    headers jsonb not null default '{{}}',
    body text,
    created_at timestamptz not null default now(),
    constraint pk_idempotency_keys primary key (tenant_id, principal, route, key)
);
create index ix_idempotency_keys_tenant_id_created_at on idempotency_keys (tenant_id, created_at);
"""

OWNED_TABLES = (
    "tenant_domains",
    "users",
    "teams",
    "team_members",
    "customer_accounts",
    "account_domains",
    "idempotency_keys",
)


def upgrade() -> None:
    """Create the role and the tables, and protect each table."""
    op.execute(ROLE)
    op.execute(TABLES)
    protect("tenants", "id", grants="select, update")
    for table in OWNED_TABLES:
        protect(table)


def downgrade() -> None:
    """Drop the tables; the role stays, other databases may use it."""
    op.execute(f"drop table {', '.join([*OWNED_TABLES, 'tenants'])} cascade")
