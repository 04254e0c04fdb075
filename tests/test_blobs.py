"""The store of files: content is found by its checksum, and what was cut off, too large or aborted leaves nothing."""

import asyncio
import hashlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from runtime.blobs import HEAD_BYTES, FolderBlobs, Missing, TooLarge
from tests.stack import ROOT

TENANT = UUID(int=1)
OTHER = UUID(int=2)
LIMIT = 10_000_000


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "files")


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(
    blobs: FolderBlobs, sha256: str, tenant: UUID = TENANT, start: int = 0, size: int | None = None
) -> bytes:
    return b"".join([chunk async for chunk in blobs.open(tenant, sha256, start, size)])


async def old(blobs: FolderBlobs, before: float) -> list[str]:
    return [name for tenant in await blobs.tenants() async for names in blobs.old(tenant, before) for name in names]


def files(blobs: FolderBlobs) -> list[Path]:
    return sorted(path for path in blobs.directory.rglob("*") if path.is_file())


async def test_what_was_put_is_read_again(blobs: FolderBlobs) -> None:
    content = os.urandom(1_500_000)
    stored = await blobs.put(
        TENANT, stream(*(content[at : at + 70_000] for at in range(0, len(content), 70_000))), LIMIT
    )
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert (stored.size, stored.head) == (len(content), content[:HEAD_BYTES])
    assert await read(blobs, stored.sha256) == content
    assert await read(blobs, stored.sha256, start=300_001, size=700_000) == content[300_001:1_000_001]
    assert files(blobs) == [blobs.directory / str(TENANT) / stored.sha256[:2] / stored.sha256]


async def test_the_same_content_is_stored_once_and_apart_for_each_tenant(blobs: FolderBlobs) -> None:
    first, again = [await blobs.put(TENANT, stream(b"same"), LIMIT) for _ in range(2)]
    assert first == again
    assert len(files(blobs)) == 1
    with pytest.raises(Missing):
        await read(blobs, first.sha256, OTHER)
    await blobs.put(OTHER, stream(b"same"), LIMIT)
    assert len(files(blobs)) == 2


async def test_many_puts_of_the_same_content_at_once_end_in_one_file(blobs: FolderBlobs) -> None:
    stored = await asyncio.gather(*(blobs.put(TENANT, stream(b"a" * 1000, b"b"), LIMIT) for _ in range(20)))
    assert len(set(stored)) == len(files(blobs)) == 1


async def test_what_is_too_large_leaves_nothing(blobs: FolderBlobs) -> None:
    await blobs.put(TENANT, stream(b"12345"), 5)
    with pytest.raises(TooLarge):
        await blobs.put(TENANT, stream(b"123", b"456"), 5)
    assert len(files(blobs)) == 1


async def test_what_breaks_off_leaves_nothing(blobs: FolderBlobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a" * 600_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put(TENANT, broken(), LIMIT)
    assert files(blobs) == []


async def test_who_is_cancelled_leaves_nothing(blobs: FolderBlobs) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 300_000
            begun.set()

    task = asyncio.create_task(blobs.put(TENANT, endless(), 10**12))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(blobs) == []


@pytest.mark.parametrize("name", ["", "../../secrets", "0" * 63, "G" * 64, "0" * 64])
async def test_what_is_not_there_is_missing(blobs: FolderBlobs, name: str) -> None:
    with pytest.raises(Missing):
        await read(blobs, name)


async def test_content_is_dropped_only_when_it_is_old(blobs: FolderBlobs) -> None:
    stored = await blobs.put(TENANT, stream(b"old"), LIMIT)
    yesterday = time.time() - 90_000
    assert not await blobs.drop(TENANT, stored.sha256, yesterday)
    os.utime(files(blobs)[0], (yesterday - 1, yesterday - 1))
    assert await old(blobs, yesterday) == [stored.sha256]
    await blobs.put(TENANT, stream(b"old"), LIMIT)
    assert not await blobs.drop(TENANT, stored.sha256, yesterday), "it was stored again, so it is young"
    assert await old(blobs, yesterday) == []
    os.utime(files(blobs)[0], (yesterday - 1, yesterday - 1))
    assert await blobs.drop(TENANT, stored.sha256, yesterday)
    assert files(blobs) == []


KILLED = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from runtime.blobs import FolderBlobs

async def endless():
    while True:
        yield b"a" * 300_000
        print("written", flush=True)
        await asyncio.sleep(0)

asyncio.run(FolderBlobs(Path(sys.argv[1])).put(UUID(int=1), endless(), 10**12))
"""


async def test_leftovers_of_a_killed_upload_are_never_content_and_go_after_a_day(blobs: FolderBlobs) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(KILLED), str(blobs.directory), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(3):
        await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    (left,) = files(blobs)
    assert await old(blobs, time.time() + 1) == []
    assert await blobs.tidy() == 0, "another process may be writing it"
    os.utime(left, (1, 1))
    assert await blobs.tidy() == 1
    assert files(blobs) == []
