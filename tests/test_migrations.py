"""Migrations beside a running release: one migrator at a time, each revision for itself, and again after a kill."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from alembic import command
from psycopg import sql

from cli.migrate import alembic_config, migrate_database
from runtime.settings import PostgresSettings
from tests.api.tickets.office import eventually
from tests.stack import ROOT

TENANT = "11111111-1111-1111-1111-111111111111"
HEAD = "0021_mail_upkeep"
# As rows of long ago: written without the triggers of today.
TICKETS = """
set session_replication_role = replica;
insert into tenants (id, slug, name) values ('11111111-1111-1111-1111-111111111111', 'old', 'Old');
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority, severity,
    channel, sla_tier, tags, fields, reopens, created_at, updated_at, version)
select gen_random_uuid(), '11111111-1111-1111-1111-111111111111', n, 'OPEN', now(), 'a@b.example', 'S', 'D', 'LOW', 'SEV4', 'API',
    'BASIC', '{}', jsonb_build_object('n', n, 'areas', array['web', 'api']), 0, now(), now(), 1
from generate_series(1, 1500) n
"""
WRITE = "update support_tickets set version = version + 1 where number = 1"


@pytest.fixture(name="owner")
async def _owner(postgres_superuser: PostgresSettings) -> AsyncIterator[PostgresSettings]:
    """The owner of an empty database."""
    name = sql.Identifier("summit_migrations")
    async with await psycopg.AsyncConnection.connect(postgres_superuser.conninfo(), autocommit=True) as maintenance:
        await maintenance.execute(sql.SQL("create database {}").format(name))
        try:
            yield postgres_superuser.model_copy(update={"db": "summit_migrations"})
        finally:
            await maintenance.execute(sql.SQL("drop database {} with (force)").format(name))


async def migrator(owner: PostgresSettings) -> asyncio.subprocess.Process:
    """`summit migrate`, started."""
    values = {
        "POSTGRES_HOST": owner.host,
        "POSTGRES_PORT": str(owner.port),
        "POSTGRES_DB": owner.db,
        "POSTGRES_USER": owner.user,
        "POSTGRES_PASSWORD": owner.password.get_secret_value(),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "migrate", cwd=ROOT, env={**os.environ, **values}
    )


async def found(owner: PostgresSettings, query: str) -> object:
    """The one value that a query finds."""
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    return row[0] if row else None


@asynccontextmanager
async def killed_while_somebody_writes(owner: PostgresSettings, stuck: str) -> AsyncIterator[None]:
    """A migrator that was killed where it waited for somebody who writes a ticket; `stuck` finds it there."""
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as writer:
        await writer.execute(WRITE)
        process = await migrator(owner)

        async def waits() -> bool:
            return bool(await found(owner, stuck))

        await eventually(30, waits)
        process.kill()
        await process.wait()
        # As Postgres does by itself when what it runs has ended.
        await found(
            owner,
            "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and database ="
            " (select oid from pg_database where datname = current_database())",
        )
        yield


async def upgrade(owner: PostgresSettings, revision: str) -> None:
    """Upgrade as far as a revision, in this process."""
    await asyncio.to_thread(command.upgrade, alembic_config(owner), revision)


async def test_two_that_start_together_follow_one_another(owner: PostgresSettings) -> None:
    processes = [await migrator(owner) for _ in range(2)]
    assert [await process.wait() for process in processes] == [0, 0]
    assert await found(owner, "select version_num from alembic_version") == HEAD


async def test_what_was_done_before_a_kill_stays_done(owner: PostgresSettings) -> None:
    await upgrade(owner, "0012_whole_desk")
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as connection:
        await connection.execute(TICKETS.encode())
    stuck = (
        "select exists (select from alembic_version where version_num = '0013_api_keys') and exists"
        " (select from pg_locks where not granted and relation = 'support_tickets'::regclass)"
    )
    async with killed_while_somebody_writes(owner, stuck):
        assert await found(owner, "select to_regclass('ticket_fields')") is None
    await asyncio.to_thread(migrate_database, owner, None)
    assert await found(owner, "select version_num from alembic_version") == HEAD


async def test_what_is_made_while_tickets_are_written_is_made_anew_after_a_kill(owner: PostgresSettings) -> None:
    await upgrade(owner, "0017_inbound_mail")
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as connection:
        await connection.execute(TICKETS.encode())
    unfit = "select count(*) from pg_index where not indisvalid"
    async with killed_while_somebody_writes(owner, unfit):
        assert await found(owner, unfit) == 1
        assert await found(owner, "select version_num from alembic_version") == "0017_inbound_mail"
    await asyncio.to_thread(migrate_database, owner, None)
    assert await found(owner, unfit) == 0
    assert await found(owner, "select count(*) from pg_constraint where not convalidated") == 0
    assert await found(owner, "select count(*) from ticket_field_values") == 1500 * 3
    await upgrade(owner, HEAD)
    await asyncio.to_thread(command.downgrade, alembic_config(owner), "0011_notify")
    await upgrade(owner, "head")
    assert await found(owner, "select count(*) from ticket_field_values") == 1500 * 3


async def test_skills_of_before_are_folded(owner: PostgresSettings) -> None:
    await upgrade(owner, "0018_desk_indexes")
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as connection:
        await connection.execute(TICKETS.encode())
        for name, skills in (("a", ["STRASSE", "Straße", "De"]), ("b", ["de"]), ("c", [])):
            await connection.execute(
                "insert into users (tenant_id, email, name, role, skills) values (%s, %s, %s, 'AGENT', %s)",
                (TENANT, f"{name}@old.example", name, skills),
            )
        route = """update support_tickets set route = jsonb_build_object('method', 'LEAST_LOADED', 'skills', array[%s, 'De'])
            where number = %s"""
        for number, skill in enumerate(("Straße", "Latin"), start=1):
            await connection.execute(route, (skill, number))
    await upgrade(owner, "head")
    routes = "select json_agg(route -> 'skills' order by number) from support_tickets where route is not null"
    assert await found(owner, routes) == [["strasse", "de"], ["Latin", "De"]]
    assert await found(owner, "select json_agg(skills order by name) from users") == [["strasse", "de"], ["de"], []]
