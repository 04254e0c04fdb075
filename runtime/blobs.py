"""Stored files by the checksum of their content: what was acknowledged survives a crash, and nothing half written is ever seen."""

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar
from uuid import UUID

T = TypeVar("T")

CHUNK_BYTES: Final = 256 * 1024
"""What is written or read at once; the whole of a file is never in memory."""

HEAD_BYTES: Final = 8 * 1024
"""What is kept of the beginning, to tell what it is."""

LEFTOVER_SECONDS: Final = 24 * 3600
"""No upload takes this long, so an unfinished file of this age belongs to a process that was killed."""

UNFINISHED: Final = ".upload-"
TENANT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Missing(Exception):
    """The store has no such content."""


class TooLarge(Exception):
    """There is more of it than is allowed; nothing of it is kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"More than {limit} bytes.")
        self.limit = limit


class StoreFull(Exception):
    """The disk has no room for it; nothing of it is kept."""


@dataclass(frozen=True)
class Stored:
    """What is in the store now, and how it begins."""

    sha256: str
    size: int
    head: bytes


class Blobs(Protocol):
    """A store of content, apart for each tenant."""

    async def put(self, tenant_id: UUID, chunks: AsyncIterator[bytes], limit: int) -> Stored:
        """Store what comes. Raises TooLarge beyond `limit` bytes, StoreFull, and what `chunks` raises; then nothing is kept."""
        ...

    def open(self, tenant_id: UUID, sha256: str, start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """The content, or `size` bytes of it from `start`. Raises Missing, at its first step."""
        ...

    async def tenants(self) -> list[UUID]:
        """Those who have stored something."""
        ...

    def old(self, tenant_id: UUID, before: float) -> AsyncIterator[list[str]]:
        """The checksums of everything last stored before this time (seconds since 1970), some at a time."""
        ...

    async def drop(self, tenant_id: UUID, sha256: str, before: float) -> bool:
        """Forget content unless it has been stored again since `before`; whether it is gone."""
        ...

    async def tidy(self) -> int:
        """Remove what uploads of killed processes have left; how many there were."""
        ...


@dataclass(frozen=True)
class FolderBlobs:
    """Files under `<directory>/<tenant>/<ab>/<sha256>`, shared by all processes that see the directory."""

    directory: Path
    known: set[Path] = field(default_factory=set, compare=False, repr=False)
    """Folders whose own entries are known to be on the disk."""

    async def put(self, tenant_id: UUID, chunks: AsyncIterator[bytes], limit: int) -> Stored:
        """Store what comes. Content that is there already is replaced by itself, so that its age begins anew."""
        upload = Upload(self.directory / str(tenant_id))
        try:
            await in_thread(partial(self._begin, upload))
            waiting: list[bytes] = []
            total = held = 0
            async for chunk in chunks:
                total += len(chunk)
                if total > limit:
                    raise TooLarge(limit)
                waiting.append(chunk)
                held += len(chunk)
                if held >= CHUNK_BYTES:
                    await in_thread(partial(upload.write, waiting))
                    waiting, held = [], 0
            return await in_thread(partial(self._keep, upload, waiting))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull from error
            raise
        finally:
            await in_thread(upload.discard)

    async def open(self, tenant_id: UUID, sha256: str, start: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """The content, or `size` bytes of it from `start`. Raises Missing, at its first step."""
        if not SHA256.fullmatch(sha256):
            raise Missing
        reader = Reader(self._place(tenant_id, sha256))
        try:
            await in_thread(reader.begin)
            while size is None or size > 0:
                chunk = await in_thread(partial(reader.read, start, CHUNK_BYTES if size is None else size))
                if not chunk:
                    break
                start += len(chunk)
                size = size and size - len(chunk)
                yield chunk
        finally:
            reader.end()

    async def tenants(self) -> list[UUID]:
        """Those who have stored something."""
        folders = await in_thread(partial(_folders, self.directory))
        return [UUID(folder.name) for folder in folders if TENANT.fullmatch(folder.name)]

    async def old(self, tenant_id: UUID, before: float) -> AsyncIterator[list[str]]:
        """The checksums of everything last stored before this time, those of a folder at a time."""
        for folder in await in_thread(partial(_folders, self.directory / str(tenant_id))):
            names = await in_thread(partial(_older, folder, before))
            yield [name for name in names if SHA256.fullmatch(name)]

    async def drop(self, tenant_id: UUID, sha256: str, before: float) -> bool:
        """Forget content unless it has been stored again since `before`; whether it is gone."""
        return await in_thread(partial(self._drop, self._place(tenant_id, sha256), before))

    async def tidy(self) -> int:
        """Remove what uploads of killed processes have left; how many there were."""
        return await in_thread(partial(self._tidy, time.time() - LEFTOVER_SECONDS))

    def _place(self, tenant_id: UUID, sha256: str) -> Path:
        return self.directory / str(tenant_id) / sha256[:2] / sha256

    def _folder(self, folder: Path) -> Path:
        """A folder that is there, and stays there when the power fails."""
        if folder not in self.known or not folder.is_dir():
            if folder != self.directory:
                self._folder(folder.parent)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Also when it is there already: whoever made it may have been killed before this.
            _sync(folder.parent)
            self.known.add(folder)
        return folder

    def _begin(self, upload: "Upload") -> None:
        self._folder(upload.path.parent)
        upload.begin()

    def _keep(self, upload: "Upload", rest: list[bytes]) -> Stored:
        upload.write(rest)
        stored = upload.finish()
        shard = self._folder(upload.path.parent / stored.sha256[:2])
        with _held(shard):
            upload.path.replace(shard / stored.sha256)
        _sync(shard)
        return stored

    def _drop(self, place: Path, before: float) -> bool:
        with suppress(FileNotFoundError), _held(place.parent):
            # Looked at and removed under the lock that storing takes: what has come again meanwhile is young.
            if place.stat().st_mtime >= before:
                return False
            place.unlink()
        return True

    def _tidy(self, before: float) -> int:
        gone = 0
        for folder in _folders(self.directory):
            for name in _older(folder, before):
                if name.startswith(UNFINISHED):
                    with suppress(FileNotFoundError):
                        (folder / name).unlink()
                        gone += 1
        return gone


class Upload:
    """A file being written beside its later place. Its methods wait for each other: a descriptor in use is never closed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{UNFINISHED}{secrets.token_hex(16)}"
        self.lock = threading.Lock()
        self.descriptor = -1
        self.hash = hashlib.sha256()
        self.head = b""
        self.size = 0

    def begin(self) -> None:
        """Make the file, for this user alone."""
        with self.lock:
            self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, chunks: list[bytes]) -> None:
        """Append. Raises OSError."""
        with self.lock:
            for chunk in chunks:
                if len(self.head) < HEAD_BYTES:
                    self.head += chunk[: HEAD_BYTES - len(self.head)]
                self.hash.update(chunk)
                self.size += len(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self.descriptor, view) :]

    def finish(self) -> Stored:
        """Have all of it on the disk."""
        with self.lock:
            os.fsync(self.descriptor)
            return Stored(self.hash.hexdigest(), self.size, self.head)

    def discard(self) -> None:
        """End, and remove what has not become a stored file."""
        with self.lock:
            if self.descriptor >= 0:
                os.close(self.descriptor)
                self.descriptor = -1
                self.path.unlink(missing_ok=True)


class Reader:
    """A stored file being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1

    def begin(self) -> None:
        """Open it. Raises Missing."""
        try:
            self.descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Missing from error

    def read(self, start: int, size: int) -> bytes:
        """Some of the next bytes; none at the end."""
        return os.pread(self.descriptor, min(size, CHUNK_BYTES), start)

    def end(self) -> None:
        """Close it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


async def in_thread(function: Callable[[], T]) -> T:
    """What `function` returns, out of the loop's way; whoever is cancelled meanwhile leaves only when it has ended."""
    work = asyncio.ensure_future(asyncio.to_thread(function))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()
        raise cancelled
    return work.result()


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _older(folder: Path, before: float) -> list[str]:
    names = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before:
                names.append(entry.name)
    return names


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Nobody else, in no process, stores or drops in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
