"""The plans of the API's own list and search statements, as the application's role and with a tenant set."""

import re
from collections.abc import Mapping
from typing import Any, Final, get_origin

from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Diagnostic
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import derive_key
from api.paging import Cursors, PageRequest
from api.schemas.tickets import TicketQuery
from api.tickets import after, filters
from benchmarks.reads import TICKETS, Query, Reader
from db.engine import make_engine, tenant_transaction
from db.tickets.reads import list_tickets
from domain.identity import Actor, Role
from domain.tickets.fields import FREE
from runtime.settings import APP_ROLE, PostgresSettings, Settings

# Unlike EXPLAIN it also shows what functions run, and it needs no second copy of the statements.
EXPLAINING: Final = (
    "set role none",
    "load 'auto_explain'",
    "set auto_explain.log_min_duration = 0",
    "set auto_explain.log_nested_statements = on",
    "set auto_explain.log_analyze = on",
    "set auto_explain.log_buffers = on",
    "set client_min_messages = log",
    f"set role {APP_ROLE}",
)

MANY_VALUED: Final = frozenset(
    info.alias or name for name, info in TicketQuery.model_fields.items() if get_origin(info.annotation) is list
)

COLUMNS: Final = re.compile(r"SELECT support_tickets\.id.*?FROM", re.DOTALL)

AGENT: Final = Actor(role=Role.AGENT, name="Desk")


async def print_plans(reader: Reader) -> None:
    """Print the plan of one call of every list and search."""
    parts: dict[str, Any] = dict(conninfo_to_dict(reader.stack["databaseUrl"]))
    server = PostgresSettings(
        host=parts["host"], port=parts["port"], db=parts["dbname"], user=parts["user"], password=parts["password"]
    )
    settings = Settings(secret=SecretStr(reader.secret), postgres=server)
    engine = make_engine(settings)
    cursors = Cursors(derive_key(settings, "cursors")).of(TICKETS)
    try:
        for name, query in (reader.lists() | reader.searches()).items():
            async with tenant_transaction(engine, reader.tenant) as connection:
                print(f"\n=== {name}\n" + "\n".join(await _plans(connection, query, cursors)))
    finally:
        await engine.dispose()


async def _plans(connection: AsyncConnection, query: Query, cursors: Cursors) -> list[str]:
    for statement in EXPLAINING:
        await connection.execute(text(statement))
    raw: Any = (await connection.get_raw_connection()).driver_connection
    heard: list[str] = []

    def hear(notice: Diagnostic) -> None:
        heard.append(COLUMNS.sub("SELECT … FROM", notice.message_primary or ""))

    asked: Mapping[str, Any] = query()
    listed = {
        name: [value] if name in MANY_VALUED and isinstance(value, str) else value for name, value in asked.items()
    }
    wanted = TicketQuery.model_validate(listed)
    start = after(PageRequest(wanted.limit, wanted.cursor, cursors), wanted.sort)
    raw.add_notice_handler(hear)
    await list_tickets(connection, AGENT, filters(wanted, AGENT, FREE), wanted.sort, start, wanted.limit + 1)
    await connection.execute(text("select 1"))  # a plan is told when the next statement closes it
    raw.remove_notice_handler(hear)
    return [str(asked), *heard]
