"""The promise ledger over HTTP: as a list, and as a calendar of what one person owes."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request
from icalendar import Calendar, Event
from starlette.responses import Response

from api.auth import derive_key
from api.dependencies import Agent, App, Session, page_of
from api.errors import Unauthenticated, problem_response, refusals
from api.paging import BadCursor, Page
from api.responses import reply
from api.routing import Area
from api.schemas.promises import DeadlineQuery, DeadlineView, FeedView
from api.services import Services
from db.engine import tenant_transaction
from db.identity import find_caller
from db.promises import LedgerFilters, list_deadlines, owed_by
from domain.ids import derived_id

router = Area(prefix="/api", tags=["Promises"])

SORT: Final = "dueAt"
MAC_BYTES: Final = 16

PATHS: Final[Mapping[str, str]] = {"ticket": "/api/tickets/{id}"}
"""Where each kind of process is found; a new kind adds itself here."""

Token = Annotated[str, Query(max_length=200, description="From `GET /api/deadlines/feed`.")]


@router.get("/deadlines", response_model=Page[DeadlineView], responses=refusals(BadCursor))
async def list_promises(
    request: Request, query: Annotated[DeadlineQuery, Query()], agent: Agent, session: Session
) -> Response:
    """Every promise of the tenant: what is due, when, and who owes it; the next one due first."""
    page = page_of(request, query.limit, query.cursor)
    seen = page.after(SORT)
    start = (datetime.fromisoformat(seen[0]), int(seen[1])) if seen else None
    rows = await list_deadlines(session, filters(query), start, page.count)
    return reply(page.page(rows, view, SORT, lambda row: [row["due_at"].isoformat(), row["id"]]))


@router.get("/deadlines/feed", response_model=FeedView)
async def get_feed(request: Request, agent: Agent, app: App) -> Response:
    """The address under which a calendar can subscribe to what the caller owes."""
    token = feed_token(app, agent.tenant_id, agent.id)
    return reply(FeedView(url=f"{request.base_url}api/deadlines.ics?token={token}"))


@router.get(
    "/deadlines.ics",
    response_class=Response,
    responses={
        200: {"content": {"text/calendar": {"schema": {"type": "string"}}}},
        401: problem_response("The token is not one of ours."),
    },
)
async def get_calendar(request: Request, token: Token, app: App) -> Response:
    """What one person owes, as a calendar (RFC 5545)."""
    tenant_id, owner_id = read_token(app, token)
    async with tenant_transaction(app.engine, tenant_id) as connection:
        if await find_caller(connection, owner_id) is None:
            raise Unauthenticated("The token is not one of ours.")
        rows = await owed_by(connection, owner_id)
    return Response(calendar(rows, str(request.base_url).rstrip("/")), media_type="text/calendar; charset=utf-8")


def filters(query: DeadlineQuery) -> LedgerFilters:
    """The query as the database takes it."""
    return LedgerFilters(query.due_from, query.due_to, query.owner, query.kind, query.state)


def view(row: Mapping[str, Any]) -> DeadlineView:
    """A promise as its readers see it."""
    return DeadlineView(
        id=deadline_id(row),
        process=row["process"],
        entity_id=row["process_id"],
        link=PATHS[row["process"]].format(id=row["process_id"]),
        **{name: row[name] for name in ("kind", "cycle", "due_at", "state", "settled_at", "owner_id")},
    )


def deadline_id(row: Mapping[str, Any]) -> UUID:
    """A promise's id: the same for ever, because its process, kind and cycle are."""
    return derived_id("deadline", row["process_id"], row["kind"], row["cycle"])


def calendar(rows: list[dict[str, Any]], origin: str) -> bytes:
    """The rows as a VCALENDAR with links below `origin`; uid and stamp stay the same between readings, so that clients update in place."""
    result = Calendar()
    result.add("x-wr-calname", "Summit promises")
    result.add("prodid", "-//Summit//Promises//EN")
    result.add("version", "2.0")
    for row in rows:
        event = Event()
        event.add("uid", f"{deadline_id(row)}@summit")
        event.add("dtstamp", row["due_at"].astimezone(UTC))
        event.add("dtstart", row["due_at"].astimezone(UTC))
        event.add("summary", f"{row['kind'].replace('_', ' ').capitalize()}: {named(row)}")
        event.add("url", origin + PATHS[row["process"]].format(id=row["process_id"]))
        result.add_component(event)
    content: bytes = result.to_ical()
    return content


def named(row: Mapping[str, Any]) -> str:
    """What a promise is about, as people call it."""
    return f"SUP-{row['number']}" if row["number"] else str(row["process"])


def feed_token(app: Services, tenant_id: UUID, owner_id: UUID) -> str:
    """What lets a calendar program, which cannot sign in, read one person's promises."""
    body = tenant_id.bytes + owner_id.bytes
    return base64.urlsafe_b64encode(body + _mac(app, body)).rstrip(b"=").decode()


def read_token(app: Services, token: str) -> tuple[UUID, UUID]:
    """Tenant and owner of a feed. Raises Unauthenticated."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Unauthenticated("The token is not one of ours.") from None
    body, mac = raw[:32], raw[32:]
    if not hmac.compare_digest(mac, _mac(app, body)):
        raise Unauthenticated("The token is not one of ours.")
    return UUID(bytes=body[:16]), UUID(bytes=body[16:])


def _mac(app: Services, body: bytes) -> bytes:
    return hmac.digest(derive_key(app.settings, "feeds"), body, "sha256")[:MAC_BYTES]
