"""Row-level security as every migration must switch it on for its tables, and the functions that are exempt from it.

Released migrations use it too: what these functions write never changes.
"""

import re

from alembic import op

APP_ROLE = "summit_app"
TENANT = "(select nullif(current_setting('summit.tenant', true), '')::uuid)"

DEFAULT = re.compile(r" default [^,)]+")
"""What a function is made with, and not named by."""


def protect(table: str, column: str = "tenant_id", grants: str = "select, insert, update, delete") -> None:
    """Let the application's role see and write only the rows of the transaction's tenant (setting `summit.tenant`)."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(
        f"create policy {table}_tenant on {table} to {APP_ROLE} using ({column} = {TENANT}) with check ({column} = {TENANT})"
    )
    op.execute(f"grant {grants} on {table} to {APP_ROLE}")


def exempt(signature: str, body: str) -> None:
    """A function that works with its owner's rights, beyond row-level security: a fixed search path, for the application alone."""
    op.execute(f"create function {signature} {body} security definer set search_path = pg_catalog, public, pg_temp")
    named = DEFAULT.sub("", signature)
    op.execute(f"revoke all on function {named} from public")
    op.execute(f"grant execute on function {named} to {APP_ROLE}")
