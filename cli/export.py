"""`summit export`: all that a tenant owns: a file of JSON lines per table, the stored files, and a manifest."""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import psycopg
import typer
from psycopg import sql
from sqlalchemy import Table

from db.tables.all import METADATA
from runtime.blobs import Blobs, FolderBlobs, Missing
from runtime.settings import APP_ROLE, PostgresSettings, Settings

FORMAT: Final = "summit-export/1"
MANIFEST: Final = "manifest.json"

TENANT: Final = "select id from public_tenant(%s, '')"
SET_TENANT: Final = "select set_config('summit.tenant', %s, true)"
ROWS: Final = "select row_to_json(t)::text from (select {columns} from {table} order by {key}) t"
FILES: Final = "select distinct sha256 from attachments order by 1"

KEPT_BACK: Final = frozenset(
    {
        "users.password_hash",
        "webhooks.secret",
        "webhooks.previous_secret",
        "password_tokens.hash",
        "api_keys.hash",
        "tenants.mail_key",
    }
)
"""Columns that open doors."""
HARMLESS: Final = frozenset(
    {
        "users.password_set_at",
        "webhooks.previous_secret_until",
        "support_tickets.customer_key",
        "ticket_fields.key",
        "ticket_field_values.key",
        "inbound_mails.content_hash",
        "inbound_mails.dedupe_key",
    }
)
"""Columns that are called as if they did, and do not."""
WITHOUT: Final[Mapping[str, sql.SQL]] = {"notifications.payload": sql.SQL("payload - 'token' as payload")}
"""Columns of which a part opens doors."""
PASSING: Final = frozenset({"idempotency_keys"})
"""Tables of nothing but copies."""
ROWS_AT_ONCE: Final = 2_000


@dataclass
class Manifest:
    """What was written, with checksums. It comes last: an export without it was broken off."""

    tenant_id: str
    slug: str
    taken_at: datetime
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: int = 0
    file_bytes: int = 0
    missing: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write it."""
        content = {
            "format": FORMAT,
            "tenant": {"id": self.tenant_id, "slug": self.slug},
            "takenAt": self.taken_at.isoformat(),
            "tables": self.tables,
            "files": {"count": self.files, "bytes": self.file_bytes, "missing": self.missing},
            "keptBack": sorted(KEPT_BACK | WITHOUT.keys() | PASSING),
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


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
        (directory / MANIFEST).unlink(missing_ok=True)
        connection.execute(SET_TENANT, (str(row[0]),))
        manifest = Manifest(str(row[0]), slug, datetime.now(UTC))
        for table in METADATA.sorted_tables:
            if table.name not in PASSING:
                path = directory / f"{table.name}.jsonl"
                manifest.tables[table.name] = written(path, rows(connection, table))
                typer.echo(f"{table.name}: {manifest.tables[table.name]['rows']}")
        wanted = [checksum for (checksum,) in connection.execute(FILES)]
        blobs = FolderBlobs(Path(Settings().files_dir))
        asyncio.run(copy(blobs, row[0], wanted, directory / "files", manifest))
    manifest.write(directory / MANIFEST)
    typer.echo(f"files: {manifest.files}")
    if manifest.missing:
        typer.echo(
            f"{len(manifest.missing)} files are not in the store (SUMMIT_FILES_DIR); {MANIFEST} names them.", err=True
        )
        raise typer.Exit(1)


def rows(connection: psycopg.Connection[tuple[str]], table: Table) -> Iterator[str]:
    """A table's rows as JSON, streamed."""
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
    with connection.cursor("export") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        for (line,) in cursor.execute(statement):
            yield line


def written(path: Path, lines: Iterator[str]) -> dict[str, Any]:
    """Write lines; how many there were, and their checksum."""
    count = size = 0
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for line in lines:
            data = line.encode() + b"\n"
            file.write(data)
            digest.update(data)
            count, size = count + 1, size + len(data)
    return {"file": path.name, "rows": count, "bytes": size, "sha256": digest.hexdigest()}


async def copy(blobs: Blobs, tenant_id: UUID, wanted: list[str], directory: Path, manifest: Manifest) -> None:
    """Copy stored files to `<ab>/<sha256>`, each checked on the way; one that is not there, or is not what it was, is noted."""
    for checksum in wanted:
        place = directory / checksum[:2] / checksum
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest, size = hashlib.sha256(), 0
        try:
            with place.open("wb") as file:
                async for chunk in blobs.open(tenant_id, checksum):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
        except Missing:
            size = -1
        if size < 0 or digest.hexdigest() != checksum:
            place.unlink()
            manifest.missing.append(checksum)
        else:
            manifest.files += 1
            manifest.file_bytes += size


def _names(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(export)
