"""`summit doctor`: what is wrong with an installation, and how to mend each thing."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import typer
from alembic.script import ScriptDirectory
from pydantic import ValidationError

from api.oidc.published import Unreachable, fetch_keys
from cli.migrate import alembic_config
from runtime.embedded.ports import is_free
from runtime.outgoing import Caller
from runtime.settings import APP_ROLE, PostgresSettings, Settings
from runtime.targets import Targets
from runtime.temporal import connect, missing_search_attributes, parse_payload_keys

OLDEST_PYTHON = (3, 11)
PATIENCE_SECONDS = 5
NEED_POSTGRES = frozenset({"migrations", "row security", "notifications", "webhooks"})
LATE_SECONDS = 300
OFTEN = 5
"""So many failures in a row are more than a restart of the receiver."""
SHOWN = 3


class Ailment(Exception):
    """Something is wrong; the second argument says how to mend it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def doctor() -> None:
    """Check what runs here, or what the environment names, as API and worker see it; say how to mend what is wrong."""
    raise typer.Exit(asyncio.run(_examine()))


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(doctor)


async def _examine() -> int:
    if not any(name.startswith(("POSTGRES_", "TEMPORAL_")) for name in os.environ):
        _report(
            "servers",
            "nothing runs here, and the environment names no servers",
            "`make up` starts everything; or set POSTGRES_*, TEMPORAL_* and SUMMIT_* as API and worker have them",
        )
        return 1
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            _report("environment", f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", "correct that variable")
        return 1
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "python": _python,
        "secrets": _secrets,
        "postgres": _postgres,
        "migrations": _migrations,
        "row security": _row_security,
        "sign-in": _sign_in,
        "mail": _mail,
        "notifications": _notifications,
        "webhooks": _webhooks,
        "temporal": _temporal,
        "ports": _ports,
    }
    failures: set[str] = set()
    for name, check in checks.items():
        if name in NEED_POSTGRES and "postgres" in failures:
            continue  # it would only say the same again
        try:
            async with asyncio.timeout(3 * PATIENCE_SECONDS):
                typer.echo(f"  ok    {name:<14} {await check(settings)}")
        except Ailment as ailment:
            failures.add(name)
            _report(name, str(ailment), ailment.remedy)
        except TimeoutError:
            failures.add(name)
            _report(name, "no answer in time", "see whether that server is overloaded or its address wrong")
    return 1 if failures else 0


def _report(name: str, what: str, remedy: str) -> None:
    typer.echo(f"  WRONG {name:<14} {what}\n        to mend: {remedy}")


async def _python(_: Settings) -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise Ailment(f"this is Python {sys.version.split()[0]}", "use Python 3.11 or newer")
    return sys.version.split()[0]


async def _secrets(settings: Settings) -> str:
    if settings.secret is None:
        raise Ailment("SUMMIT_SECRET is not set", "set it to 32 or more random characters, the same for every API")
    if settings.payload_key is not None:
        try:
            keys = parse_payload_keys(settings.payload_key.get_secret_value())
        except ValueError as error:
            raise Ailment(str(error), "make a key with: openssl rand -base64 32") from error
        return f"payloads are encrypted with key {keys[0][0]!r}, {len(keys)} known"
    if settings.environment == "production":
        raise Ailment("payloads in Temporal are not encrypted", "set SUMMIT_PAYLOAD_KEYS to kid:base64 of 32 bytes")
    return "the signing secret is set; payloads are not encrypted"


async def _connect(database: PostgresSettings) -> psycopg.AsyncConnection[tuple[object, ...]]:
    try:
        return await psycopg.AsyncConnection.connect(database.conninfo(), connect_timeout=PATIENCE_SECONDS)
    except psycopg.OperationalError as error:
        raise Ailment(
            f"{database.user}@{database.host}:{database.port}/{database.db}: {str(error).splitlines()[0]}",
            "see that the server runs (`make up` starts one) and lets this user in; check POSTGRES_HOST, _PORT, _DB, _USER, _PASSWORD",
        ) from error


async def _postgres(settings: Settings) -> str:
    async with await _connect(settings.postgres) as connection:
        row = await (await connection.execute("show server_version")).fetchone()
    return f"server {row[0] if row else '?'} as {settings.postgres.user}"


async def _migrations(settings: Settings) -> str:
    wanted = set(ScriptDirectory.from_config(alembic_config(settings.postgres)).get_heads())
    async with await _connect(settings.postgres) as connection:
        try:
            rows = await (await connection.execute("select version_num from alembic_version")).fetchall()
        except psycopg.errors.UndefinedTable:
            rows = []
        except psycopg.errors.InsufficientPrivilege as error:
            raise Ailment(f"{settings.postgres.user} may not read alembic_version", "run `summit migrate`") from error
    present = {str(row[0]) for row in rows}
    if present != wanted:
        at, head = ", ".join(sorted(present)) or "nothing", ", ".join(sorted(wanted))
        raise Ailment(
            f"the database is at {at}, this release at {head}",
            "run `summit migrate` with the owner's POSTGRES_USER and POSTGRES_PASSWORD",
        )
    return f"at {', '.join(sorted(present))}"


async def _row_security(settings: Settings) -> str:
    async with await _connect(settings.postgres) as connection:
        found = await connection.execute(
            "select rolsuper or rolbypassrls from pg_roles where rolname = %s", [settings.postgres.user]
        )
        row = await found.fetchone()
        owned = await connection.execute(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'p') and n.nspname = 'public' and pg_get_userbyid(c.relowner) = %s"
            " and not c.relforcerowsecurity",
            [settings.postgres.user],
        )
        tables = await owned.fetchone()
    remedy = f"run API and worker with POSTGRES_USER={APP_ROLE}; SUMMIT_APP_PASSWORD=… summit migrate gives it a login"
    if row is None or row[0]:
        raise Ailment(f"{settings.postgres.user} passes row-level security: tenants are not kept apart", remedy)
    if tables and tables[0]:
        raise Ailment(
            f"{settings.postgres.user} owns {tables[0]} tables and so passes their row-level security", remedy
        )
    return f"{settings.postgres.user} cannot bypass it"


async def _sign_in(settings: Settings) -> str:
    if settings.oidc_issuer is None:
        return "with passwords; no OIDC issuer is set"
    caller = Caller(Targets.read(settings.allow_targets))
    try:
        keys = await fetch_keys(caller, settings.oidc_issuer, settings.oidc_jwks_url)
    except Unreachable as error:
        raise Ailment(
            f"the keys of the OIDC issuer cannot be fetched: {error}",
            "see that the issuer can be reached from here; check SUMMIT_OIDC_ISSUER, _JWKS_URL and SUMMIT_ALLOW_TARGETS",
        ) from error
    return f"with passwords and {settings.oidc_issuer}, which publishes {len(keys)} keys"


async def _mail(settings: Settings) -> str:
    if settings.smtp_host is not None:
        try:
            _, writer = await asyncio.wait_for(
                asyncio.open_connection(settings.smtp_host, settings.smtp_port), PATIENCE_SECONDS
            )
        except OSError as error:
            where = f"{settings.smtp_host}:{settings.smtp_port}"
            raise Ailment(f"the mail server {where} cannot be reached", "check SUMMIT_SMTP_HOST and _PORT") from error
        writer.close()
        return f"goes to {settings.smtp_host}:{settings.smtp_port} ({settings.smtp_tls})"
    if settings.environment == "production":
        raise Ailment("SUMMIT_SMTP_HOST is not set: nobody gets mail", "name a mail server")
    return f"no SMTP server is set; mail goes into {settings.mail_dir}"


async def _notifications(settings: Settings) -> str:
    [(pending, oldest, dead)] = await _ask(settings, "select pending, oldest_seconds, dead from outbox_state()")
    if float(str(oldest)) > LATE_SECONDS:
        raise Ailment(f"{pending} are due, the oldest for {oldest:.0f} s", "see whether a worker runs, and its log")
    if dead:
        raise Ailment(
            f"{dead} were given up within a week",
            "GET /api/notifications/log?state=DEAD and GET /api/webhooks/{id}/deliveries say why; repeat them there",
        )
    return f"{pending} are due, none was given up within a week"


async def _webhooks(settings: Settings) -> str:
    failing = await _ask(
        settings, "select tenant, webhook, failures, waiting, dead from failing_webhooks(%s)", (OFTEN,)
    )
    if failing:
        told = [
            f"{webhook} of {tenant} ({failures} times in a row; {waiting} events wait, {dead} were given up)"
            for tenant, webhook, failures, waiting, dead in failing[:SHOWN]
        ]
        more = [f"and {len(failing) - SHOWN} more"] if len(failing) > SHOWN else []
        raise Ailment(
            f"{len(failing)} keep failing: {', '.join(told + more)}",
            "GET /api/webhooks/{id}/deliveries says why; mend the receiver and replay, or PATCH the webhook to be inactive",
        )
    return "none keeps failing"


async def _ask(settings: Settings, query: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    async with await _connect(settings.postgres) as connection:
        try:
            return await (await connection.execute(query, values)).fetchall()
        except psycopg.errors.UndefinedFunction as error:
            raise Ailment("the database is older than this release", "run `summit migrate`") from error


async def _temporal(settings: Settings) -> str:
    try:
        client = await connect(settings)
        await client.service_client.check_health(timeout=timedelta(seconds=PATIENCE_SECONDS))
        missing = await missing_search_attributes(client)
    except Exception as error:  # the SDK raises RuntimeError, ValueError and RPCError alike
        raise Ailment(
            str(error).splitlines()[0][:200],
            "check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS_* and the server",
        ) from error
    if missing:
        raise Ailment(
            f"namespace {client.namespace} lacks the search attributes {', '.join(missing)}",
            "start a worker once, or: temporal operator search-attribute create --name … --type …",
        )
    return f"namespace {client.namespace}, search attributes are registered"


async def _ports(settings: Settings) -> str:
    ports = {"PORT": settings.port, "SUMMIT_WORKER_METRICS_PORT": settings.worker_metrics_port}
    if len(set(ports.values())) != len(ports):
        raise Ailment(f"PORT and SUMMIT_WORKER_METRICS_PORT are both {settings.port}", "give them different values")
    return ", ".join(f"{port} {'free' if is_free(port) else 'in use'}" for port in ports.values())
