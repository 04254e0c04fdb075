"""API keys; whose a key is before a tenant is known, when each was used, and the person behind an address."""

from alembic import op

from migrations.rls import exempt, protect

revision = "0013_api_keys"
down_revision = "0012_whole_desk"
branch_labels = None
depends_on = None

TABLE = """
create table api_keys (
    id uuid default gen_random_uuid() not null,
    tenant_id uuid default nullif(current_setting('summit.tenant', true), '')::uuid not null,
    name text not null,
    role text not null,
    scopes text[] not null,
    prefix text not null,
    hash text not null,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    author_id uuid,
    author_name text not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    version integer default 1 not null,
    constraint pk_api_keys primary key (id),
    constraint uq_api_keys_hash unique (hash),
    constraint ck_api_keys_role check (role in ('AGENT', 'LEAD', 'ADMIN')),
    constraint ck_api_keys_scopes check (cardinality(scopes) > 0),
    constraint ck_api_keys_hash check (hash ~ '^[0-9a-f]{64}$'),
    constraint fk_api_keys_tenant_id foreign key(tenant_id) references tenants (id)
);
create index ix_api_keys_tenant_id_created_at_id on api_keys (tenant_id, created_at, id);
comment on column api_keys.scopes is 'Such as `tickets:read`; `*` is all that the role may do.';
comment on column api_keys.prefix is 'How the key begins, to recognise it.';
comment on column api_keys.revoked_at is 'Rows stay, because histories name the key.';
comment on column api_keys.last_used_at is 'To the minute or two.';
comment on column api_keys.author_id is 'A user or another key.';
"""

FUNCTIONS = {
    # Who calls with this key, before a tenant is known: the one with exactly this hash, while it is good.
    "api_key_holder(key_hash text)": """
    returns table (tenant_id uuid, id uuid, name text, role text, scopes text[], expires_at timestamptz)
    language sql stable as $$
        select k.tenant_id, k.id, k.name, k.role, k.scopes, k.expires_at from api_keys k
        where k.hash = key_hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
    $$""",
    # When keys were used, of whatever tenants, once a minute each; one that is being revoked is skipped.
    "note_api_key_use(ids uuid[], instants timestamptz[])": """
    returns integer
    language sql as $$
        with used as (
            select k.id, u.at from unnest(ids, instants) u(id, at) join api_keys k on k.id = u.id
            where k.last_used_at is null or k.last_used_at <= u.at - interval '1 minute'
            order by k.id
            for update of k skip locked
        ), noted as (
            update api_keys k set last_used_at = u.at from used u where k.id = u.id returning 1
        )
        select count(*)::integer from noted
    $$""",
    # The person of the transaction's tenant with this address, active or not. Text functions are not leakproof, so under
    # row-level security the index of addresses would go unused.
    "user_by_address(address text)": """
    returns table (id uuid, active boolean)
    language sql stable as $$
        select u.id, u.active from users u
        where u.tenant_id = nullif(current_setting('summit.tenant', true), '')::uuid and lower(u.email) = lower(address)
    $$""",
}


def upgrade() -> None:
    """Create the table, protect it, and add the functions that the application may call before it knows a tenant."""
    op.execute(TABLE)
    protect("api_keys", grants="select, insert, update")
    for signature, body in FUNCTIONS.items():
        exempt(signature, body)


def downgrade() -> None:
    """Drop them again."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
    op.execute("drop table api_keys")
