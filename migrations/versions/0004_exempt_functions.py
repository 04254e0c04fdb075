"""The only code that row-level security does not bind: look-ups that come before a tenant is known."""

from alembic import op

from migrations.rls import APP_ROLE

revision = "0004_exempt_functions"
down_revision = "0001_identity"
branch_labels = None
depends_on = None

FUNCTIONS = {
    # Who may be signing in with this address; the API checks the password. Also tells the tenants apart.
    "login_candidates(address text)": """
    returns table (tenant_id uuid, slug text, is_default boolean, user_id uuid, password_hash text)
    language sql stable as $$
        select t.id, t.slug, t.is_default, u.id, u.password_hash
        from users u join tenants t on t.id = u.tenant_id
        where lower(u.email) = lower(address) and u.active and u.password_hash is not null
        order by t.is_default desc, t.created_at, t.id
        limit 5
    $$""",
    # The tenant of a public call: by slug when one is named, else by host, else the only one, else the default.
    "public_tenant(named text, host text)": """
    returns table (id uuid, slug text)
    language sql stable as $$
        select t.id, t.slug from tenants t where t.slug = named
        union all
        (
            select t.id, t.slug
            from tenants t left join tenant_domains d on d.tenant_id = t.id and d.domain = lower(host)
            where named is null
              and (d.domain is not null or t.is_default or not exists (select from tenants o where o.id <> t.id))
            order by (d.domain is not null) desc, t.is_default desc
            limit 1
        )
    $$""",
}


def upgrade() -> None:
    """Create each function with its owner's rights and a fixed search path, callable by the application only."""
    for signature, body in FUNCTIONS.items():
        op.execute(
            f"create or replace function {signature} {body} security definer"
            " set search_path = pg_catalog, public, pg_temp"
        )
        op.execute(f"revoke all on function {signature} from public")
        op.execute(f"grant execute on function {signature} to {APP_ROLE}")


def downgrade() -> None:
    """Drop the functions."""
    for signature in FUNCTIONS:
        op.execute(f"drop function {signature}")
