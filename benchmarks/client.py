"""A raw HTTP/1.1 client over asyncio streams: it shares the machine with what it measures, so it does next to nothing."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

CONNECTIONS = 64
"""Idle connections that a client keeps; each caller has one of its own while it waits."""


class Unexpected(Exception):
    """An answer with another status than the one that the measurement is about."""


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Http:
    """Keep-alive connections to one server under one token."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._head = f"Host: {self._host}:{self._port}\r\nAuthorization: Bearer {token}\r\n"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    async def get(self, path: str, query: Mapping[str, Any] | None = None, expect: int = 200) -> Answer:
        """GET; a list in `query` repeats its parameter. Raises Unexpected."""
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        return await self._send("GET", target, b"", "", expect)

    async def send(self, method: str, path: str, body: bytes, expect: int, key: str = "") -> Answer:
        """Send a JSON body, under an Idempotency-Key if given. Raises Unexpected."""
        extra = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if key:
            extra += f"Idempotency-Key: {key}\r\n"
        return await self._send(method, path, body, extra, expect)

    async def _send(self, method: str, target: str, body: bytes, extra: str, expect: int) -> Answer:
        reader, writer = await self._connection()
        writer.write(f"{method} {target} HTTP/1.1\r\n{self._head}{extra}\r\n".encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        start = lower.find(b"content-length:")
        if start < 0:
            raise Unexpected(f"{method} {target}: an answer without its length")
        content = await reader.readexactly(int(lower[start + 15 : lower.index(b"\r\n", start)]))
        if b"connection: close" in lower or len(self._idle) >= CONNECTIONS:
            writer.close()
        else:
            self._idle.append((reader, writer))
        if status != expect:
            raise Unexpected(f"{method} {target}: {status} {content[:300].decode(errors='replace')}")
        return Answer(status, content)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()  # the server hung up, because it has rested for too long
        return await asyncio.open_connection(self._host, self._port)
