"""Every list as a file: a list asked for as `text/csv` is read page by page and streamed as one table."""

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.cells import Column, Heading, columns
from api.paging import FURTHER, Page
from api.permissions import routes_of

CSV: Final = "text/csv"
MARK: Final = "\ufeff"
"""Without it spreadsheets take UTF-8 for something else."""

PAGE: Final = "100"
AT_ONCE: Final = 2
"""Pages that a process reads at a time for exports: they must not take the connections from everybody else."""

PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a page while something that we lean on is away."""


class BrokenOff(Exception):
    """A further page could not be read. The connection is cut, so that nobody takes the part for the whole."""


def wants_csv(accept: str) -> bool:
    """Whether an Accept header names CSV, and JSON not as much."""
    return _weight(accept, CSV) > _weight(accept, "application/json")


def _weight(accept: str, media_type: str) -> float:
    for choice in accept.split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        if kind.lower() == media_type:
            weights = [part[2:] for part in parameters if part.lower().startswith("q=")]
            with suppress(ValueError):
                return float(weights[0]) if weights else 1.0
    return 0.0


@dataclass(frozen=True)
class ListRoute:
    """A route that answers pages, with the view of its rows."""

    pattern: re.Pattern[str]
    name: str
    columns: Sequence[Column]


def list_routes(app: FastAPI) -> list[ListRoute]:
    """The routes of `app` that answer pages."""
    found = []
    for (method, path), context in routes_of(app):
        answer = getattr(context.original_route, "response_model", None)
        if method == "GET" and isinstance(answer, type) and issubclass(answer, Page):
            row: type[BaseModel] = answer.__pydantic_generic_metadata__["args"][0]
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
            fixed = [part for part in path.split("/") if part and part != "api" and "{" not in part]
            found.append(ListRoute(pattern, "-".join(fixed), columns(row)))
    return found


@dataclass
class Exports:
    """The layer around the application that makes files of lists; all else passes."""

    app: ASGIApp
    lists: Sequence[ListRoute]
    most_rows: int
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        route = self.asked(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            await self.app(scope, receive, send)
        else:
            await Export(self, route, scope, receive, send).run()

    def asked(self, scope: Scope) -> ListRoute | None:
        """The list that is asked for as a file."""
        if not wants_csv(", ".join(Headers(scope=scope).getlist("accept"))):
            return None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return next((route for route in self.lists if route.pattern.fullmatch(path)), None)


@dataclass
class Answer:
    """What the application answers to a request for one page, collected."""

    messages: list[Message] = field(default_factory=list)

    async def collect(self, message: Message) -> None:
        """Take what is sent."""
        self.messages.append(message)

    @property
    def status(self) -> int:
        """The status; 500 for none."""
        return int(self.messages[0]["status"]) if self.messages else 500

    def page(self) -> Mapping[str, Any]:
        """The page."""
        content: Mapping[str, Any] = json.loads(b"".join(message.get("body", b"") for message in self.messages[1:]))
        return content


@dataclass
class Export:
    """One list on its way into a file."""

    exports: Exports
    route: ListRoute
    scope: Scope
    receive: Receive
    send: Send

    async def run(self) -> None:
        """Answer the first page's refusal as it is; else stream the table. Raises BrokenOff in the midst of it."""
        query = dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        first = await self.ask({} if "limit" in query else {"limit": PAGE})
        if first.status != 200:
            for message in first.messages:
                await self.send(message)
            return
        await self.send({"type": "http.response.start", "status": 200, "headers": self.headers()})
        if not self.scope.get("summit.head"):
            gone = asyncio.create_task(self.gone())
            try:
                async for text in self.lines(first.page()):
                    if gone.done():
                        return
                    await self.send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            finally:
                gone.cancel()
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the file is, and how it is called."""
        name = f"{self.route.name}-{datetime.now(UTC):%Y-%m-%d}.csv"
        return [
            (b"content-type", b"text/csv; charset=utf-8; header=present"),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        ]

    async def gone(self) -> None:
        """Wait until the caller has hung up."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def lines(self, page: Mapping[str, Any]) -> AsyncIterator[str]:
        """The table, a page at a time, so that no more than one is held."""
        heading = Heading.over(self.route.columns, page["data"])
        titles = heading.titles()
        left = self.exports.most_rows
        yield MARK + written([titles])
        while True:
            yield written([heading.cells(row) for row in page["data"][:left]])
            cut, left = len(page["data"]) > left, left - len(page["data"])
            cursor = page["page"]["nextCursor"]
            if cut or (left <= 0 and cursor):
                note = f"Cut off after {self.exports.most_rows} rows; narrow the list by its filters."
                yield written([[note, *("" for _ in titles[1:])]])
                return
            if not cursor:
                return
            page = await self.further(cursor)

    async def further(self, cursor: str) -> Mapping[str, Any]:
        """The page behind a cursor. Raises BrokenOff."""
        for pause in (*PAUSES, None):
            answer = await self.ask({"limit": PAGE, "cursor": cursor}, further=True)
            if answer.status == 200:
                return answer.page()
            if answer.status != 503 or pause is None:
                break
            await asyncio.sleep(pause)
        raise BrokenOff(f"a further page was answered with {answer.status}")

    async def ask(self, parameters: Mapping[str, str], *, further: bool = False) -> Answer:
        """The application's answer to the request with other `parameters`."""
        query = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = [(name, value) for name, value in query if name not in parameters] + list(parameters.items())
        inner = {
            **self.scope,
            "query_string": urlencode(query).encode("ascii"),
            "state": dict(self.scope.get("state", {})),
            FURTHER: further,
        }
        answer = Answer()
        async with self.exports.turns:
            await self.exports.app(inner, nothing, answer.collect)
        # The line about this request names the route, which the application has found.
        self.scope["route"] = inner.get("route")
        return answer


async def nothing() -> Message:
    """The body of a request that has none."""
    return {"type": "http.request", "body": b"", "more_body": False}


def written(rows: Sequence[Sequence[str]]) -> str:
    """Rows as RFC 4180 has them."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
