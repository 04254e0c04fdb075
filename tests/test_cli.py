"""The sub-commands that people use beside REST: tenants, users, the demo, the export."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher
from click.testing import Result
from typer.testing import CliRunner

from cli.demo import PEOPLE
from cli.main import COMMANDS, build
from db.tables.all import METADATA
from runtime.embedded.ports import free_port
from tests.stack import Database

SEEDED = ("sla_calendars", "sla_definitions", "escalation_rules")
"""What every tenant begins with."""

PASSWORDS = {login: f"password-of-{login}" for login in PEOPLE}
Summit = Callable[..., Awaitable[Result]]


@pytest.fixture
def summit(postgres: Database) -> Summit:
    """Runs a sub-command as the owner of the test's database."""
    owner = postgres.owner
    environment = {
        "POSTGRES_HOST": owner.host,
        "POSTGRES_PORT": str(owner.port),
        "POSTGRES_DB": owner.db,
        "POSTGRES_USER": owner.user,
        "POSTGRES_PASSWORD": owner.password.get_secret_value(),
        "SUMMIT_SECRET": "a-secret-of-the-tests-that-is-long-enough-for-sha384-too",
        "SUMMIT_DEMO_PASSWORDS": json.dumps(PASSWORDS),
    }

    async def run(*arguments: str, **extra: str) -> Result:
        # In a thread of its own, because some of them run a loop of theirs.
        command = build(arguments[0])
        return await asyncio.to_thread(CliRunner().invoke, command, list(arguments), env=environment | extra)

    return run


@pytest.fixture
def slug() -> str:
    return f"t-{uuid.uuid4().hex[:10]}"


def query(database: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner.conninfo()) as connection:
        return connection.execute(statement, values).fetchall()


async def test_every_sub_command_says_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # The command line points itself at what runs in this checkout; other tests must not see that.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in COMMANDS:
        shown = CliRunner().invoke(build(name), [name, "--help"])
        assert shown.exit_code == 0, shown.output


async def test_a_tenant_is_created_with_its_host_names(summit: Summit, postgres: Database, slug: str) -> None:
    made = await summit(
        "tenant", "create", slug, "A Tenant", "--domain", f"HELP.{slug}.example", "--domain", f"{slug}.example"
    )
    assert made.exit_code == 0, made.output
    [(tenant,)] = query(
        postgres, "select id from tenants where slug = %s and name = 'A Tenant' and not is_default", slug
    )
    assert made.output.strip() == str(tenant)
    domains = query(postgres, "select domain from tenant_domains where tenant_id = %s order by 1", tenant)
    assert domains == [(f"help.{slug}.example",), (f"{slug}.example",)]
    query(postgres, "delete from tenant_domains where tenant_id = %s returning 1", tenant)


async def test_a_tenant_that_cannot_be_made_leaves_nothing(summit: Summit, postgres: Database, slug: str) -> None:
    assert (await summit("tenant", "create", slug, "First")).exit_code == 0
    again = await summit("tenant", "create", slug, "Second")
    assert (again.exit_code, again.stderr.strip()) == (1, "The slug or a domain is taken.")
    assert (await summit("tenant", "create", "Not A Slug", "Third")).exit_code == 2
    assert (await summit("tenant", "create", f"{slug}-2", "Fourth", "--domain", "no domain")).exit_code == 2
    assert query(postgres, "select name from tenants where slug like %s", f"{slug}%") == [("First",)]


async def test_a_user_is_created_who_can_sign_in(summit: Summit, postgres: Database, slug: str) -> None:
    await summit("tenant", "create", slug, "A Tenant")
    made = await summit("user", "create", slug, "Ada@Shop.example", "Ada", SUMMIT_USER_PASSWORD="very secret")
    assert made.exit_code == 0, made.output
    [(user, role, stored)] = query(
        postgres, "select id, role, password_hash from users where email = 'Ada@shop.example' and name = 'Ada'"
    )
    assert (made.output.strip(), role) == (str(user), "ADMIN")
    assert PasswordHasher().verify(stored, "very secret")
    query(postgres, "delete from users where id = %s returning 1", user)


async def test_a_user_who_cannot_be_made_is_explained(summit: Summit, slug: str) -> None:
    await summit("tenant", "create", slug, "A Tenant")
    address, secret = f"ada@{slug}.example", {"SUMMIT_USER_PASSWORD": "very secret"}
    assert (await summit("user", "create", slug, address, "Ada", "--role", "AGENT", **secret)).exit_code == 0
    twice = await summit("user", "create", slug, address.upper().replace("EXAMPLE", "example"), "Ada", **secret)
    assert (twice.exit_code, twice.stderr.strip()) == (1, "A user with this address exists in the tenant.")
    nowhere = await summit("user", "create", f"{slug}-no", address, "Ada", **secret)
    assert (nowhere.exit_code, "no such tenant" in nowhere.stderr) == (1, True)
    assert (await summit("user", "create", slug, "no address", "Ada", **secret)).exit_code == 2
    assert (
        await summit("user", "create", slug, f"b@{slug}.example", "Ada", SUMMIT_USER_PASSWORD="short")
    ).exit_code == 2


async def test_the_demo_can_be_loaded_again_and_again(summit: Summit, tmp_path: Path) -> None:
    documents = []
    for name in ("first.json", "again.json"):
        loaded = await summit("demo", f"--output={tmp_path / name}")
        assert loaded.exit_code == 0, loaded.output
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        documents.append(json.loads((tmp_path / name).read_text()))
    first, again = documents
    assert set(first["tokens"]) == set(first["logins"]) == set(PEOPLE)
    assert first["logins"]["agent"] == {"email": PEOPLE["agent"].email, "password": PASSWORDS["agent"]}
    for name in ("tenantId", "otherTenantId", "logins"):
        assert first[name] == again[name]


async def test_an_export_holds_one_tenants_rows_and_no_password(
    summit: Summit, postgres: Database, tmp_path: Path, slug: str
) -> None:
    await summit("tenant", "create", slug, "A Tenant")
    await summit("user", "create", slug, f"ada@{slug}.example", "Ada", SUMMIT_USER_PASSWORD="very secret")
    query(
        postgres,
        "insert into notifications (id, tenant_id, rung, template, recipient, channel, payload) select gen_random_uuid(), id, 'r',"
        " 'invitation', 'ada@shop.example', 'EMAIL', '{\"token\": \"opens-a-door\"}' from tenants where slug = %s returning id",
        slug,
    )
    exported = await summit("export", slug, str(tmp_path / "out"))
    assert exported.exit_code == 0, exported.output
    files = {file.stem: file.read_text().splitlines() for file in (tmp_path / "out").glob("*.jsonl")}
    assert files.keys() == METADATA.tables.keys() - {"idempotency_keys"}
    [tenant], [user] = ([json.loads(line) for line in files[name]] for name in ("tenants", "users"))
    assert (tenant["slug"], user["email"]) == (slug, f"ada@{slug}.example")
    assert "password_hash" not in user
    measured = {"measured_until"}  # a worker of other tests may have taken its measures meanwhile
    assert {name for name, lines in files.items() if lines} - measured == {"tenants", "users", "notifications", *SEEDED}
    assert "opens-a-door" not in str(files)
    assert "users: 1" in exported.output
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


async def test_an_export_of_nobody_is_explained(summit: Summit, tmp_path: Path) -> None:
    refused = await summit("export", "nobody-here", str(tmp_path))
    assert (refused.exit_code, refused.stderr.strip()) == (1, "There is no such tenant.")
    assert os.listdir(tmp_path) == []


async def test_a_postgres_that_is_away_is_said_in_one_line() -> None:
    command = (sys.executable, "-m", "cli.main", "tenant", "create", "nobody", "Nobody")
    away = os.environ | {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": str(free_port())}
    process = await asyncio.create_subprocess_exec(*command, env=away, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.startswith(b"Postgres cannot be used")
    assert said.count(b"\n") == 1
