"""An export holds all that a tenant owns, says so with checksums, and opens no doors."""

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cli.export import FORMAT, HARMLESS, KEPT_BACK, PASSING, WITHOUT
from db.tables.all import METADATA
from runtime.blobs import FolderBlobs
from tests.stack import Database
from tests.test_cli import Summit, slug, summit

__all__ = ["slug", "summit"]

TELLING = re.compile(r"hash|secret|token|key|password|salt|private|credential|cipher")

COLUMNS = {
    f"{table.name}.{column.name}" for table in METADATA.sorted_tables if table.name not in PASSING for column in table.c
}


def test_every_column_that_sounds_like_a_secret_has_been_decided_about() -> None:
    found = {name for name in COLUMNS if TELLING.search(name.partition(".")[2])}
    undecided = found - KEPT_BACK - HARMLESS
    assert not undecided, f"keep them back in cli/export.py, or say there that they are harmless: {sorted(undecided)}"


def test_what_is_decided_about_is_there() -> None:
    assert KEPT_BACK | HARMLESS | WITHOUT.keys() <= COLUMNS
    assert not KEPT_BACK & HARMLESS


@pytest.fixture
async def tenant(summit: Summit, slug: str) -> UUID:
    """A tenant with nothing in it."""
    return UUID((await summit("tenant", "create", slug, "A Tenant")).output.strip())


def attach(postgres: Database, tenant: UUID, content: bytes) -> str:
    """A row about a file."""
    checksum = hashlib.sha256(content).hexdigest()
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        connection.execute(
            "insert into attachments (id, tenant_id, file_name, content_type, size, sha256)"
            " values (%s, %s, 'a.txt', 'text/plain', %s, %s)",
            (uuid.uuid4(), tenant, len(content), checksum),
        )
    return checksum


async def store(files: Path, tenant: UUID, content: bytes) -> None:
    """A file in the store."""

    async def chunks() -> Any:
        yield content

    await FolderBlobs(files).put(tenant, chunks(), 10**6)


async def test_the_manifest_tells_what_is_there(
    summit: Summit, postgres: Database, slug: str, tenant: UUID, tmp_path: Path
) -> None:
    content, out = b"x" * 300_000, tmp_path / "out"
    checksum = attach(postgres, tenant, content)
    attach(postgres, tenant, content)
    await store(tmp_path / "files", tenant, content)
    exported = await summit("export", slug, str(out), SUMMIT_FILES_DIR=str(tmp_path / "files"))
    assert exported.exit_code == 0, exported.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["format"], manifest["tenant"]) == (FORMAT, {"id": str(tenant), "slug": slug})
    assert manifest["files"] == {"count": 1, "bytes": len(content), "missing": []}
    assert (out / "files" / checksum[:2] / checksum).read_bytes() == content
    assert manifest["tables"].keys() == METADATA.tables.keys() - PASSING
    for entry in manifest["tables"].values():
        data = (out / entry["file"]).read_bytes()
        assert (len(data), data.count(b"\n")) == (entry["bytes"], entry["rows"])
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert "tenants.mail_key" in manifest["keptBack"]
    assert "mail_key" not in (out / "tenants.jsonl").read_text()


async def test_a_file_that_is_gone_or_spoilt_is_named(
    summit: Summit, postgres: Database, slug: str, tenant: UUID, tmp_path: Path
) -> None:
    gone, spoilt = attach(postgres, tenant, b"gone"), attach(postgres, tenant, b"spoilt")
    await store(tmp_path / "files", tenant, b"spoilt")
    [place] = list((tmp_path / "files").rglob(spoilt))
    place.write_bytes(b"something else")
    exported = await summit("export", slug, str(tmp_path / "out"), SUMMIT_FILES_DIR=str(tmp_path / "files"))
    assert exported.exit_code == 1
    assert "2 files are not in the store" in exported.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["files"]["missing"] == sorted([gone, spoilt])
    assert not [path for path in (tmp_path / "out" / "files").rglob("*") if path.is_file()]


async def test_a_directory_without_a_manifest_was_not_finished(
    summit: Summit, postgres: Database, slug: str, tenant: UUID, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert (await summit("export", f"{slug}-no", str(tmp_path))).exit_code == 1
    assert (tmp_path / "manifest.json").exists(), "nothing was begun"
    (tmp_path / "users.jsonl").mkdir()
    assert (await summit("export", slug, str(tmp_path))).exit_code == 1
    assert not (tmp_path / "manifest.json").exists()
