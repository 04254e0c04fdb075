"""`summit export`: all that a tenant owns, as one file of JSON lines per table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from psycopg import sql
from sqlalchemy import Table

from db.tables.all import METADATA
from runtime.settings import APP_ROLE, PostgresSettings

TENANT: Final = "select id from public_tenant(%s, '')"
SET_TENANT: Final = "select set_config('summit.tenant', %s, true)"
ROWS: Final = "select row_to_json(t)::text from (select {columns} from {table} order by {key}) t"

KEPT_BACK: Final = frozenset({"users.password_hash", "webhooks.secret", "password_tokens.hash", "api_keys.hash"})
"""Columns that open doors."""
WITHOUT: Final[Mapping[str, sql.SQL]] = {"notifications.payload": sql.SQL("payload - 'token' as payload")}
"""Columns of which a part opens doors."""
PASSING: Final = frozenset({"idempotency_keys"})
"""Tables of nothing but copies."""
ROWS_AT_ONCE: Final = 2_000


def export(
    slug: Annotated[str, typer.Argument(help="The tenant's slug.")],
    directory: Annotated[Path, typer.Argument(file_okay=False, help="Where the files go; made when missing.")],
) -> None:
    """Write a tenant's data from one consistent snapshot. Row-level security holds: no other tenant's rows can slip in."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with psycopg.connect(PostgresSettings().conninfo(role=APP_ROLE)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = connection.execute(TENANT, (slug,)).fetchone()
        if row is None:
            typer.echo("There is no such tenant.", err=True)
            raise typer.Exit(1)
        connection.execute(SET_TENANT, (str(row[0]),))
        for table in METADATA.sorted_tables:
            if table.name not in PASSING:
                typer.echo(f"{table.name}: {write(connection, table, directory / f'{table.name}.jsonl')}")


def write(connection: psycopg.Connection[tuple[str]], table: Table, path: Path) -> int:
    """Stream a table into a file; the number of rows."""
    columns = [
        WITHOUT.get(f"{table.name}.{column.name}", sql.Identifier(column.name))
        for column in table.c
        if f"{table.name}.{column.name}" not in KEPT_BACK
    ]
    statement = sql.SQL(ROWS).format(
        columns=sql.SQL(", ").join(columns),
        table=sql.Identifier(table.name),
        key=_names([key.name for key in table.primary_key]),
    )
    count = 0
    with path.open("w", encoding="utf-8") as file, connection.cursor("export") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        for (line,) in cursor.execute(statement):
            file.write(line + "\n")
            count += 1
    return count


def _names(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(export)
