"""Row-level security for a table, as every migration that adds one must switch it on."""

from alembic import op

APP_ROLE = "summit_app"
TENANT = "(select nullif(current_setting('summit.tenant', true), '')::uuid)"


def protect(table: str, column: str = "tenant_id", grants: str = "select, insert, update, delete") -> None:
    """Let the application's role see and write only the rows of the transaction's tenant (setting `summit.tenant`)."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(
        f"create policy {table}_tenant on {table} to {APP_ROLE} using ({column} = {TENANT}) with check ({column} = {TENANT})"
    )
    op.execute(f"grant {grants} on {table} to {APP_ROLE}")
