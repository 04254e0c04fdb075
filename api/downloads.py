"""Sending a stored file so that no browser runs it: whole, a part of it, or nothing when the caller has it already."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

import structlog
from fastapi import Request
from sqlalchemy import RowMapping
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from api.errors import Unavailable
from runtime.blobs import Blobs, Missing

log = structlog.get_logger(__name__)

POLICY: Final = "sandbox; default-src 'none'"
RANGE: Final = re.compile(r"bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*")
TAGS: Final = re.compile(r'(?:W/)?"([^"]*)"')
RISKY: Final = re.compile(r'[^\x20-\x7e]|["\\%]')


class Part(NamedTuple):
    """So many bytes of a file, from this one on."""

    start: int
    size: int


class BadRange(HTTPException):
    """The part that was asked for lies behind the end. An HTTPException, because its answer has a header of its own."""

    def __init__(self, size: int) -> None:
        super().__init__(416, "The file ends before that part begins.", {"Content-Range": f"bytes */{size}"})


async def download(request: Request, blobs: Blobs, tenant_id: UUID, row: RowMapping) -> Response:
    """The content of a file. Raises BadRange, and Unavailable when the store lacks what the database names."""
    tag = f'"{row["sha256"]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": POLICY,
        "Content-Disposition": disposition(row["file_name"]),
        "Accept-Ranges": "bytes",
    }
    if has(request.headers.get("if-none-match"), row["sha256"]):
        return Response(status_code=304, headers=headers)
    part = asked(request.headers.get("range"), row["size"]) if fresh(request.headers.get("if-range"), tag) else None
    status, start, size = 200, 0, row["size"]
    if part is not None:
        status, start, size = 206, part.start, part.size
        headers["Content-Range"] = f"bytes {start}-{start + size - 1}/{row['size']}"
    headers["Content-Length"] = str(size)
    if request.scope.get("summit.head") or not size:
        return Response(status_code=status, headers=headers, media_type=row["content_type"])
    chunks = blobs.open(tenant_id, row["sha256"], start, size)
    try:
        # Looked for before the answer begins, which could not be taken back.
        first = await anext(aiter(chunks))
    except (Missing, StopAsyncIteration) as error:
        log.error("file_missing", attachment_id=str(row["id"]), sha256=row["sha256"])
        raise Unavailable("The store of files does not have it. Repeat the request later.") from error
    return Content(together(first, chunks), status, headers, media_type=row["content_type"])


class Content(StreamingResponse):
    """Bytes of a kind that is given to the letter: Starlette would add a charset to text, which nobody knows."""

    def init_headers(self, headers: Any = None) -> None:
        """The headers, as they are."""
        super().init_headers({**(headers or {}), "content-type": self.media_type or ""})


async def together(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was read ahead, and what follows."""
    yield first
    async for chunk in rest:
        yield chunk


def disposition(name: str) -> str:
    """To be saved under this name, never shown: for old programs in ASCII, for others as RFC 6266 has it."""
    plain = RISKY.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def has(header: str | None, sha256: str) -> bool:
    """Whether an If-None-Match names this content."""
    if header is None:
        return False
    return header.strip() == "*" or sha256 in TAGS.findall(header)


def fresh(if_range: str | None, tag: str) -> bool:
    """Whether a part may be sent: the caller has the rest of this content, or says nothing of it."""
    return if_range is None or if_range.strip() == tag


def asked(header: str | None, size: int) -> Part | None:
    """The part that a Range header asks for; None for the whole, also when several are asked for. Raises BadRange."""
    found = RANGE.fullmatch(header) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size - 1
    else:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or end < start:
        raise BadRange(size)
    return Part(start, end - start + 1)
