"""Templates and macros, custom fields with types, saved views, and an index over the values of custom fields."""

from alembic import op

from migrations.rls import protect

revision = "0014_desk_records"
down_revision = "0013_api_keys"
branch_labels = None
depends_on = None

TENANT = "tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null"
RECORD = """
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null"""

TABLES = f"""
create table ticket_templates (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    name text not null,
    description text,
    subject text,
    body text,
    internal boolean default false not null,
    changes jsonb,
    position integer not null,
    active boolean default true not null,
    {RECORD},
    constraint pk_ticket_templates primary key (id),
    constraint fk_ticket_templates_tenant_id foreign key(tenant_id) references tenants (id)
);
create unique index uq_ticket_templates_name on ticket_templates (tenant_id, name) where active;
create index ix_ticket_templates_position on ticket_templates (tenant_id, position, created_at, id);
comment on column ticket_templates.changes is 'What a macro changes, as it was sent: only what was said.';

create table ticket_fields (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    key text not null,
    label text not null,
    type text not null,
    options text[] default '{{}}' not null,
    required boolean default false not null,
    customer_visible boolean default false not null,
    customer_editable boolean default false not null,
    position integer not null,
    active boolean default true not null,
    deleted_at timestamp with time zone,
    {RECORD},
    constraint pk_ticket_fields primary key (id),
    constraint fk_ticket_fields_tenant_id foreign key(tenant_id) references tenants (id),
    constraint ck_ticket_fields_key check (key ~ '^[a-z][a-z0-9_]{{0,39}}$'),
    constraint ck_ticket_fields_type
        check (type in ('TEXT','MULTILINE','NUMBER','INTEGER','BOOLEAN','DATE','SELECT','MULTISELECT','URL','EMAIL')),
    constraint ck_ticket_fields_editable check (customer_visible or not customer_editable)
);
create unique index uq_ticket_fields_key on ticket_fields (tenant_id, key) where deleted_at is null;
create index ix_ticket_fields_position on ticket_fields (tenant_id, position, created_at, id);

create table ticket_field_values (
    {TENANT},
    ticket_id uuid not null,
    key text not null,
    value text not null,
    constraint pk_ticket_field_values primary key (ticket_id, key, value),
    constraint fk_ticket_field_values_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_ticket_field_values_tenant_id_ticket_id foreign key(tenant_id, ticket_id)
        references support_tickets (tenant_id, id) on delete cascade
);
create index ix_ticket_field_values_value on ticket_field_values (tenant_id, key, value, ticket_id);
comment on table ticket_field_values is
    'The fields of support_tickets again, kept by a trigger, because jsonb operators find no index under RLS.';

create table ticket_views (
    id uuid default gen_random_uuid() not null,
    {TENANT},
    owner_id uuid not null,
    name text not null,
    filters jsonb default '{{}}' not null,
    sort text not null,
    columns text[],
    shared boolean default false not null,
    team_id uuid,
    {RECORD},
    constraint pk_ticket_views primary key (id),
    constraint fk_ticket_views_tenant_id foreign key(tenant_id) references tenants (id),
    constraint fk_ticket_views_tenant_id_owner_id foreign key(tenant_id, owner_id) references users (tenant_id, id),
    constraint fk_ticket_views_tenant_id_team_id foreign key(tenant_id, team_id) references teams (tenant_id, id)
);
create index ix_ticket_views_owner on ticket_views (tenant_id, owner_id, created_at, id);
create index ix_ticket_views_created on ticket_views (tenant_id, created_at, id);
"""

# A trigger, so that whoever writes a ticket keeps the index: a worker of the release before, and a restore, too. What is
# longer than an index takes, or deeper than a filter names, is left out. Values that tickets already have follow in 0018.
INDEX = """
create function field_values(fields jsonb) returns table (key text, value text) language sql immutable as $$
    select distinct on (1, 2) f.key, f.value from (
        select m.key, case jsonb_typeof(e.value)
            when 'number' then trim_scale((e.value #>> '{}')::numeric)::text else e.value #>> '{}' end as value
        from jsonb_each(case jsonb_typeof(fields) when 'object' then fields else '{}' end) m,
            jsonb_array_elements(case jsonb_typeof(m.value) when 'array' then m.value else jsonb_build_array(m.value) end) e
        where jsonb_typeof(e.value) in ('string', 'number', 'boolean')
    ) f
    where length(f.key) <= 100 and length(f.value) between 1 and 200
    limit 500
$$;

create function index_ticket_fields() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        delete from ticket_field_values where ticket_id = new.id;
    end if;
    insert into ticket_field_values (tenant_id, ticket_id, key, value)
    select new.tenant_id, new.id, f.key, f.value from field_values(new.fields) f;
    return null;
end $$;
create trigger index_new_fields after insert on support_tickets for each row
    when (new.fields <> '{}'::jsonb) execute function index_ticket_fields();
create trigger index_changed_fields after update of fields on support_tickets for each row
    when (old.fields is distinct from new.fields) execute function index_ticket_fields();
"""


def upgrade() -> None:
    """Create the tables, keep the tenants apart in them, and index values from now on."""
    op.execute(TABLES)
    for table in ("ticket_templates", "ticket_fields", "ticket_field_values", "ticket_views"):
        protect(table)
    op.execute(INDEX)


def downgrade() -> None:
    """Drop everything again."""
    op.execute("drop trigger index_new_fields on support_tickets; drop trigger index_changed_fields on support_tickets")
    op.execute("drop function index_ticket_fields(); drop function field_values(jsonb)")
    for table in ("ticket_views", "ticket_field_values", "ticket_fields", "ticket_templates"):
        op.execute(f"drop table {table}")
