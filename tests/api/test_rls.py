"""The database keeps tenants apart, whatever a query forgets."""

from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import NullPool, create_engine

from cli.demo import DemoSeed
from db.tables.all import METADATA
from runtime.settings import APP_ROLE
from tests.stack import Database

TABLES = sorted(METADATA.tables)
FRAMEWORKS_OWN = {"alembic_version"}
EXEMPT = {
    "login_candidates",
    "queue_drains",
    "waiting_teams",
    "public_tenant",
    "search_tickets",
    "confirm_processes",
    "auditor_overdue",
    "auditor_unconfirmed",
    "auditor_open",
    "auditor_known",
    "lease_job",
    "refresh_measures",
    "all_measures",
    "lease_notifications",
    "notification_facts",
    "deliver_notifications",
    "failing_webhooks",
    "lease_webhook_deliveries",
    "pump_webhooks",
    "live_events",
    "outbox_state",
    "prune_events",
    "prune_deliveries",
    "prune_jobs",
    "reset_candidates",
    "token_holder",
    "find_mailboxes",
    "lease_mails",
    "renew_mails",
    "prune_mails",
    "prune_mail_threads",
    "api_key_holder",
    "note_api_key_use",
    "user_by_address",
}
"""The functions that row-level security does not bind; each one has a test of what it lets through."""


def app(database: Database, tenant: object = None) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(database.app.conninfo(), autocommit=True)
    if tenant is not None:
        connection.execute("select set_config('summit.tenant', %s, false)", (str(tenant),))
    return connection


async def test_the_tables_are_those_that_the_code_defines(postgres: Database) -> None:
    engine = create_engine(postgres.owner.sqlalchemy_url(), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [each for each in compare_metadata(context, METADATA) if not _is_prose(each)]
    # Postgres prints an index's expressions in its own spelling, so those are compared by name.
    gone = {each[1].name for each in differences if each[0] == "remove_index"}
    made = {each[1].name for each in differences if each[0] == "add_index"}
    assert gone == made
    assert [each for each in differences if each[0] not in ("remove_index", "add_index")] == []


def _is_prose(difference: Any) -> bool:
    return "comment" in str(difference[0] if isinstance(difference, tuple) else difference[0][0])


async def test_every_table_has_row_level_security_and_a_policy(postgres: Database) -> None:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        rows = connection.execute(
            "select c.relname, c.relrowsecurity, count(p.polname) from pg_class c left join pg_policy p on p.polrelid = c.oid"
            " where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace group by 1, 2"
        ).fetchall()
    protected = {name for name, enabled, policies in rows if enabled and policies}
    assert protected == {name for name, _, _ in rows} - FRAMEWORKS_OWN
    assert protected == set(TABLES)


async def test_the_application_cannot_bypass_it(postgres: Database) -> None:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        role = connection.execute(
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = %s", (APP_ROLE,)
        ).fetchone()
        owned = connection.execute("select count(*) from pg_class where relowner = %s::regrole", (APP_ROLE,)).fetchone()
        members = connection.execute(
            "select count(*) from pg_auth_members where member = %s::regrole", (APP_ROLE,)
        ).fetchone()
    assert (role, owned, members) == ((False, False, False, False), (0,), (0,))


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_a_table_is_empty(postgres: Database, seed: DemoSeed, table: str) -> None:
    with app(postgres) as connection:
        assert connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone() == (0,)


@pytest.mark.parametrize("table", TABLES)
async def test_a_query_without_a_filter_sees_one_tenant(postgres: Database, seed: DemoSeed, table: str) -> None:
    column = "id" if table == "tenants" else "tenant_id"
    query = sql.SQL("select distinct {} from {}").format(sql.Identifier(column), sql.Identifier(table))
    with app(postgres, seed.other_tenant_id) as connection:
        assert {row[0] for row in connection.execute(query)} <= {seed.other_tenant_id}


async def test_another_tenants_rows_are_neither_written_nor_moved(postgres: Database, seed: DemoSeed) -> None:
    with app(postgres, seed.other_tenant_id) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into teams (tenant_id, name) values (%s, 'x')", (seed.tenant_id,))
        changed = connection.execute("update users set name = 'x' where id = %s", (seed.users["admin"],))
        assert changed.rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update users set tenant_id = %s", (seed.tenant_id,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into tenants (slug, name) values ('mine', 'Mine')")


async def test_a_link_across_tenants_is_impossible_even_for_the_owner(postgres: Database, seed: DemoSeed) -> None:
    with psycopg.connect(postgres.owner.conninfo()) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(
            "insert into teams (tenant_id, name, lead_id) values (%s, 'x', %s)",
            (seed.tenant_id, seed.users["otherAdmin"]),
        )


async def test_only_the_known_functions_are_exempt_and_none_can_be_led_astray(postgres: Database) -> None:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        rows = connection.execute(
            "select proname, proconfig, has_function_privilege('public', oid, 'execute'),"
            " has_function_privilege(%s, oid, 'execute')"
            " from pg_proc where prosecdef and prorettype <> 'trigger'::regtype",
            (APP_ROLE,),
        ).fetchall()
    assert {name for name, *_ in rows} == EXEMPT
    for name, config, everybody, application in rows:
        assert "search_path=pg_catalog, public, pg_temp" in config, name
        assert (everybody, application) == (False, True), name


async def test_an_exempt_trigger_cannot_be_called_by_the_application(postgres: Database) -> None:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        rows = connection.execute(
            "select proname, proconfig, has_function_privilege(%s, oid, 'execute')"
            " from pg_proc where prosecdef and prorettype = 'trigger'::regtype",
            (APP_ROLE,),
        ).fetchall()
    safe = ["search_path=pg_catalog, public, pg_temp"], False
    assert sorted(rows) == [("number_tickets", *safe), ("seed_sla", *safe)]


async def test_login_candidates_are_those_with_this_address_and_a_password(postgres: Database, seed: DemoSeed) -> None:
    with app(postgres) as connection:
        rows = connection.execute("select slug, user_id from login_candidates('LEAD@acme-support.example')").fetchall()
        assert rows == [("acme-support", seed.users["lead"])]
        assert connection.execute("select * from login_candidates('%')").fetchall() == []


async def test_a_public_tenant_is_named_then_hosted_then_the_default(postgres: Database, seed: DemoSeed) -> None:
    def found(named: str | None, host: str) -> list[tuple[object, ...]]:
        with app(postgres) as connection:
            return connection.execute("select slug from public_tenant(%s::text, %s)", (named, host)).fetchall()

    with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as connection:
        connection.execute(
            "insert into tenant_domains (domain, tenant_id) values ('help.globex.example', %s)", (seed.other_tenant_id,)
        )
        assert found("globex", "help.acme.example") == [("globex",)]
        assert found(None, "Help.Globex.example") == [("globex",)]
        assert found(None, "elsewhere.example") == [("acme-support",)]
        assert found("nobody", "help.globex.example") == []
        connection.execute("update tenants set is_default = false")
        assert found(None, "elsewhere.example") == []
        connection.execute("update tenants set is_default = true where id = %s", (seed.tenant_id,))
        connection.execute("delete from tenant_domains")


async def test_a_search_finds_nothing_of_another_tenant(postgres: Database, seed: DemoSeed) -> None:
    with app(postgres, seed.other_tenant_id) as connection:
        assert connection.execute("select * from search_tickets('dashboard', true, 100, null, null)").fetchall() == []
    with app(postgres) as connection:
        assert connection.execute("select * from search_tickets('dashboard', true, 100, null, null)").fetchall() == []
