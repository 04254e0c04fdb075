"""The callers' side: every request kept with its key, its body and each answer, and repeated until there is one."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Self
from uuid import uuid4

import aiohttp

from tests.chaos.installation import Installation

CUSTOMER = "customer@example.com"


class Kind(StrEnum):
    """What a request asks for."""

    CREATE = "create"
    CHANGE = "change"
    COMMENT = "comment"
    MERGE = "merge"


@dataclass(eq=False)
class Call:
    """One write. `label` is its Idempotency-Key and stands in its text, so that its row is found without knowing any id."""

    kind: Kind
    path: str
    body: dict[str, Any]
    label: str
    login: str = "agent"
    target: str | None = None
    tries: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    refused: int | None = None
    broken: list[int] = field(default_factory=list)

    @property
    def accepted(self) -> dict[str, Any] | None:
        """The first answer of success."""
        return self.answers[0] if self.answers else None

    @property
    def settled(self) -> bool:
        """Whether there is an answer that says what became of it."""
        return self.accepted is not None or self.refused is not None

    @property
    def ticket(self) -> str | None:
        """The ticket that took it: a comment on a closed one opens a new one."""
        if self.accepted is None:
            return None
        return str(self.accepted["ticketId"] if self.kind is Kind.COMMENT else self.accepted["id"])


def create(label: str | None = None, login: str = "agent", **fields: Any) -> Call:
    """A call that opens a ticket."""
    label = label or f"ticket {uuid4().hex}"
    body = {"customerEmail": CUSTOMER, "subject": label, "description": "Getting 403 error when accessing /dashboard"}
    return Call(Kind.CREATE, "/api/tickets", {**body, "channel": "PORTAL", **fields}, label, login)


def change(ticket: str, label: str | None = None, login: str = "agent", **fields: Any) -> Call:
    """A call that changes a ticket."""
    label = label or f"change {uuid4().hex}"
    return Call(Kind.CHANGE, f"/api/tickets/{ticket}", {"reason": label, **fields}, label, login, ticket)


def comment(ticket: str, label: str | None = None, login: str = "agent", **fields: Any) -> Call:
    """A call that says something on a ticket."""
    label = label or f"comment {uuid4().hex}"
    return Call(Kind.COMMENT, f"/api/tickets/{ticket}/comments", {"body": label, **fields}, label, login, ticket)


def merge(ticket: str, into: str, label: str | None = None) -> Call:
    """A call that merges a ticket into another one."""
    label = label or f"merge {uuid4().hex}"
    return Call(Kind.MERGE, f"/api/tickets/{ticket}/merge", {"intoId": into, "reason": label}, label, "agent", ticket)


class Desk:
    """Sends calls to an installation over HTTP and remembers all of them."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.calls: list[Call] = []
        self.differing: list[str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=256, force_close=False)
        self._http = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20, connect=5))
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def send(self, call: Call) -> Call:
        """One try. What has no answer, or 503, stays open; it is sent again under the same key."""
        if call.tries == 0:
            self.calls.append(call)
        call.tries += 1
        method = "PATCH" if call.kind is Kind.CHANGE else "POST"
        headers = {"Authorization": f"Bearer {self.installation.tokens[call.login]}", "Idempotency-Key": call.label}
        url = self.installation.api_url + call.path
        try:
            async with self._http.request(method, url, json=call.body, headers=headers) as response:
                answer = await response.json(content_type=None)
                self._note(call, response.status, answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return call
        return call

    async def made(self, path: str, body: dict[str, Any], login: str = "admin") -> dict[str, Any]:
        """A record that somebody adds, while all is well."""
        headers = {"Authorization": f"Bearer {self.installation.tokens[login]}"}
        async with self._http.post(self.installation.api_url + path, json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == HTTPStatus.CREATED, answer
            return answer

    async def read(self, path: str, login: str = "agent") -> int | None:
        """A GET; its status, or None when nobody answered."""
        headers = {"Authorization": f"Bearer {self.installation.tokens[login]}"}
        try:
            async with self._http.get(self.installation.api_url + path, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def settle(self, calls: Iterable[Call] | None = None, seconds: float = 90.0, callers: int = 12) -> None:
        """Repeat what has no answer yet, each under its key, until it has one or the time is up."""
        waiting = [call for call in (self.calls if calls is None else calls) if not call.settled]
        gate = asyncio.Semaphore(callers)

        async def insist(call: Call) -> None:
            async with gate:
                await self.send(call)
                while not call.settled:
                    await asyncio.sleep(0.3)
                    await self.send(call)

        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(insist(call) for call in waiting))

    def _note(self, call: Call, status: int, answer: Any) -> None:
        if status in (HTTPStatus.OK, HTTPStatus.CREATED):
            if call.accepted is not None and answer != call.accepted:
                self.differing.append(f"{call.label}: {call.accepted} then {answer}")
            call.answers.append(answer)
        elif HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            call.refused = status
        elif status != HTTPStatus.SERVICE_UNAVAILABLE:
            call.broken.append(status)
