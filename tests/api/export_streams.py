"""A list that never ends, written as a file; run by itself it says how much memory that takes.

It measures in a process of its own: tracing allocations while the Temporal SDK's threads come and go breaks Python 3.11.
"""

import asyncio
import itertools
import json
import re
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

from starlette.types import Message, Scope

from api.cells import Column
from api.exports import Export, Exports, ListRoute


def asked(**query: str) -> Scope:
    """A request for a file, inside the edge."""
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/things",
        "query_string": b"",
        "headers": [(b"accept", b"text/csv")],
        "state": {},
        **query,
    }


def pages(statuses: Iterator[int], rows: int = 100) -> Any:
    """An application whose list never ends, and that answers with these statuses."""

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        status = next(statuses)
        row = '{"id": "' + "x" * 1000 + '"}'
        body = '{"data": [' + ",".join([row] * rows) + '], "page": {"nextCursor": "c", "hasMore": true}}'
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body.encode() if status == 200 else b"{}"})

    return app


async def streamed(app: Any, most_rows: int = 1_000_000, after: int | None = None) -> list[int]:
    """The sizes of what is sent; the caller hangs up after so many messages."""
    route = ListRoute(re.compile("/api/things"), "things", [Column(("id",))])
    sizes: list[int] = []
    hung_up = asyncio.Event()

    async def receive() -> Message:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sizes.append(len(message.get("body", b"")))
        if after is not None and len(sizes) >= after:
            hung_up.set()
        await asyncio.sleep(0)

    await Export(Exports(app, [route], most_rows), route, asked(), receive, send).run()
    return sizes


async def main(most_rows: int) -> None:
    """Say the bytes that so many rows come to, and the most that were held at once."""
    await streamed(pages(itertools.repeat(200)), 1_000)
    tracemalloc.start()
    sizes = await streamed(pages(itertools.repeat(200)), most_rows)
    sys.stdout.write(json.dumps({"sent": sum(sizes), "peak": tracemalloc.get_traced_memory()[1]}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
