"""Server-sent events over HTTP."""

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Header, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.auth import Caller
from api.dependencies import App, Principal
from api.live import Live
from api.routing import Area
from db.events import Position, Row

router = Area(prefix="/api/events", tags=["Live"])

PING_SECONDS: Final = 15
LONGEST_SECONDS: Final = 86_400
"""A key need not expire; its stream does."""

TOKEN: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")

EXAMPLE: Final = (
    'id: 812345-4711\ndata: {"type": "ticket.created", "entity": "ticket", "id": "0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11", '
    '"version": 1, "sequence": 4711, "at": "2026-01-01T00:00:00Z"}\n\n'
)

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=f"^{TOKEN.pattern}$",
        description="The last `id` seen: the stream goes on from there, for as long as events are kept (7 days).",
    ),
]


@router.get(
    "",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}}},
)
async def stream_events(request: Request, caller: Principal, app: App, last_event_id: LastEventId = None) -> Response:
    """What happens, as it happens: `{type, entity, id, version, sequence, at}`. Customers hear of their own account and address only.

    `sequence` grows with every event of the same entity, by more than one; `version` stays when only a comment is written.
    `ticket.commented` names the comment (`commentId`), `ticket.typing` who is writing (`by {name, role}`): a chat goes over this stream.

    Ends when the token or key expires or is good no more, and after a day; a client that reconnects with `Last-Event-ID` misses nothing.
    """
    if request.scope.get("summit.head"):
        return Response(media_type="text/event-stream")
    seconds = min(request.state.expires_at - time.time(), LONGEST_SECONDS)
    stream = written(app.live, caller, position(last_event_id), seconds)
    return EventSourceResponse(stream, ping=PING_SECONDS, sep="\n")


TYPING: Final = "ticket.typing"


def position(token: str | None) -> Position | None:
    """Where a client has come to."""
    match = TOKEN.fullmatch(token or "")
    return Position(int(match[1]), int(match[2])) if match else None


async def written(live: Live, caller: Caller, after: Position | None, seconds: float) -> AsyncIterator[ServerSentEvent]:
    """The stream as it goes over the wire."""
    async for at, event in live.listen(caller, after, seconds):
        token = f"{at.xid}-{at.seq}"
        if event is None:
            yield ServerSentEvent(id=token, comment="listening")
        else:
            yield ServerSentEvent(id=token, data=shown(event))


def shown(event: Row) -> str:
    """An event as listeners see it."""
    content: dict[str, Any] = {
        "type": event["type"],
        "entity": event["entity"],
        "id": str(event["entity_id"]),
        "version": event["version"],
        "sequence": event["seq"],
        "at": event["at"].isoformat().replace("+00:00", "Z"),
    }
    said = event["payload"] or {}
    if "commentId" in said:
        content["commentId"] = said["commentId"]
    if event["type"] == TYPING:
        content["by"] = said
    return json.dumps(content)
