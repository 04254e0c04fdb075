"""The edge of the API in one pure ASGI layer: request id, deadline, body limit, headers, metrics, access line."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from api.errors import BodyLate, BodyTooLarge, Unavailable, on_bug, on_http, on_unavailable
from api.metrics import UNMATCHED, Metrics
from api.tenancy import CURRENT_TENANT

log = structlog.get_logger("api.access")

REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""The request ids that we take over from a caller; others could forge log lines."""

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

UPLOADS: Final = re.compile(r"/api/(tickets/[^/]+/)?attachments")
"""Where bodies are files, which have limits of their own."""

MAILS: Final = "/api/mail/inbound"
"""Where bodies are mails, which have a limit of their own too."""

UPLOAD_SECONDS: Final = 900.0
"""How long a file may take, however steadily it comes."""

SECURITY_HEADERS: Final[list[tuple[bytes, bytes]]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
API_HEADERS: Final[list[tuple[bytes, bytes]]] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


@dataclass
class Edge:
    """The layer around the application."""

    app: ASGIApp
    metrics: Metrics
    budget_seconds: float
    max_body_bytes: int
    max_upload_bytes: int
    max_mail_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, HEAD as GET (the server drops the body); anything else passes."""
        if scope["type"] == "http":
            # An endless stream looks at the mark, because it would never come to its end.
            scope = {**scope, "method": "GET", "summit.head": True} if scope["method"] == "HEAD" else scope
            await Exchange(self, scope, receive, send).run()
        else:
            await self.app(scope, receive, send)


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "answered_at",
        "body_bytes",
        "edge",
        "expired",
        "headers",
        "late",
        "most_bytes",
        "receive",
        "receiving",
        "request_id",
        "scope",
        "send",
        "started_at",
        "status",
        "task",
        "timer",
        "until",
    )

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge = edge
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if REQUEST_ID.fullmatch(given) else str(uuid7())
        self.status = 0
        self.body_bytes = 0
        self.receiving = False
        self.expired = False
        self.late: asyncio.Task[None] | None = None
        self.task: asyncio.Task[Any] | None = None
        self.answered_at: float | None = None
        self.started_at = time.perf_counter()
        mail = scope["method"] == "POST" and scope["path"] == MAILS
        upload = mail or (scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]) is not None)
        self.most_bytes = edge.max_mail_bytes if mail else edge.max_upload_bytes if upload else edge.max_body_bytes
        self.timer: asyncio.TimerHandle | None = None
        self.until = self.started_at + UPLOAD_SECONDS if upload else None

    async def run(self) -> None:
        """Let the application answer, within the budget, whatever hangs."""
        self.scope.setdefault("state", {})["request_id"] = self.request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.request_id)
        CURRENT_TENANT.set(None)
        self.edge.metrics.running.inc()
        loop = asyncio.get_running_loop()
        task = self.task = cast("asyncio.Task[Any]", asyncio.current_task())
        self.timer = loop.call_later(self.edge.budget_seconds, self.expire)
        try:
            if self.announced_bytes() > self.most_bytes:
                await self.answer(await on_http(self.request(), BodyTooLarge(self.most_bytes)))
            else:
                await self.edge.app(self.scope, self.take, self.give)
        except asyncio.CancelledError:
            if not self.expired:
                raise
            task.uncancel()
        except Exception as error:
            if self.status or self.expired:
                log.error("unhandled_exception", exc_info=error)
                if not self.expired:
                    raise
            else:
                await self.answer(await on_bug(self.request(), error))
        finally:
            self.timer.cancel()
            self.edge.metrics.running.dec()
            if self.late is not None:
                await self.late
            self.record()

    def announced_bytes(self) -> int:
        """What Content-Length says; a body without one is counted as it comes."""
        announced = self.headers.get(b"content-length", b"0")
        return int(announced) if announced.isdigit() else 0

    def expire(self) -> None:
        """Answer in the application's stead, because it has used up the budget without a word.

        The answer does not wait for the application to notice: a cancelled query waits for a server that may be frozen.
        """
        if self.status or self.task is None:
            return
        self.expired = True
        self.late = asyncio.get_running_loop().create_task(self.apologise())
        self.task.cancel()

    async def apologise(self) -> None:
        """503, or 408 when it was the caller who kept us waiting."""
        if self.receiving:
            await self.answer(await on_http(self.request(), BodyLate()))
        else:
            await self.answer(await on_unavailable(self.request(), Unavailable()))

    async def take(self) -> Message:
        """Receive, counting the body."""
        self.receiving = True
        message = await self.receive()
        self.receiving = False
        if message["type"] == "http.request":
            self.body_bytes += len(message.get("body", b""))
            if self.body_bytes > self.most_bytes:
                raise BodyTooLarge(self.most_bytes)
            self.go_on()
        return message

    def go_on(self) -> None:
        """A file that comes steadily has the budget anew with each piece, until it has taken too long as a whole."""
        if self.timer and self.until and not self.expired and time.perf_counter() < self.until:
            self.timer.cancel()
            self.timer = asyncio.get_running_loop().call_later(self.edge.budget_seconds, self.expire)

    async def give(self, message: Message) -> None:
        """Send, adding our headers; what comes after the deadline's own answer is dropped."""
        if not self.expired:
            await self.deliver(message)

    async def deliver(self, message: Message) -> None:
        """Send one message of the one answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answered_at = time.perf_counter()
            headers = message["headers"] = list(message.get("headers", ()))
            headers.append((b"x-request-id", self.request_id.encode()))
            headers.extend(SECURITY_HEADERS)
            if all(name != b"content-security-policy" for name, _ in headers):
                headers.extend(API_HEADERS)
        await self.send(message)

    async def answer(self, response: Response) -> None:
        """Send a response of our own."""
        await response(self.scope, self.receive, self.deliver)

    def request(self) -> Request:
        """The request, for those who describe what went wrong with it."""
        return Request(self.scope, self.receive)

    def record(self) -> None:
        """Metrics and one line per request, by route and never by path: paths hold ids and what people type."""
        seconds = (self.answered_at or time.perf_counter()) - self.started_at
        route = getattr(self.scope.get("route"), "path", UNMATCHED)
        method = self.scope["method"]
        status = self.status or 499
        self.edge.metrics.observe(method, route, status, seconds)
        emit = log.debug if route in PROBES else log.info
        emit("request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 1))
