"""Saved views over HTTP: one's own, a team's, everybody's; the tickets that they show, and how many."""

import time
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path
from starlette.responses import Response

from api.auth import Caller
from api.constraints import UnknownReference
from api.dependencies import Agent, App, IfMatch, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import Once, fresh, new_id, refuse_unknown
from api.responses import reply
from api.routing import Area
from api.schemas.tickets import TicketView
from api.schemas.views import ChangeView, CreateView, ViewCount, ViewCounts, ViewView, query_of
from api.tickets import UnknownField, filters, ticket_page
from db import views
from db.tickets.reads import count_tickets
from domain.identity import Role
from domain.process import Conflict, Forbidden, KeyReused, NotFound, Stale

router = Area(prefix="/api/views", tags=["Tickets"])

MOST_COUNTED: Final = 1_000
MOST_VIEWS_COUNTED: Final = 50
COUNT_SECONDS: Final = 1.0
"""What one view may take to be counted."""
ALL_COUNTS_SECONDS: Final = 4.0
"""What all of them may take: half of a request's budget."""

ViewId = Annotated[UUID, Path(description="The view's id.")]


class OutdatedView(Conflict):
    """The view has filters that the list takes no longer; change it."""

    def __init__(self) -> None:
        super().__init__("The view has filters that the list takes no longer; change it.")


@router.post("", status_code=201, response_model=ViewView, responses=refusals(UnknownReference, KeyReused))
async def create_view(body: CreateView, agent: Agent, session: Session, once: Once) -> Response:
    """Keep filters, order and columns of the ticket list under a name."""
    await refuse_unknown(session, {("/teamId", "team"): body.team_id})
    values = {"id": new_id(), "owner_id": agent.id, **written(body)}
    await views.add_view(session, values)
    view = shown(await views.find_view(session, values["id"], agent.id), agent)
    return await once.reply(view, version=view.version, location=f"{router.prefix}/{view.id}")


@router.get("", response_model=Page[ViewView])
async def list_views(agent: Agent, session: Session, page: PageQuery) -> Response:
    """The views that the caller sees, the newest first: the own ones, those of the own teams, and the shared ones."""
    rows = await views.list_views(session, agent.id, count=page.count, after=page.after_newest())
    return reply(page.page(rows, lambda row: shown(row, agent)))


@router.get("/counts", response_model=ViewCounts)
async def count_views(agent: Agent, app: App, session: Session) -> Response:
    """How many tickets each view has now, counted up to a thousand; the own views first, fifty in all.

    A view that cannot be shown any more, because a custom field is gone, is left out. `count` is null for one that takes longer
    than a second, and for those whose turn does not come within four.
    """
    until = time.monotonic() + ALL_COUNTS_SECONDS
    defined = await app.desk.fields.of(agent.tenant_id, session)
    counts = []
    for row in await views.views_to_count(session, agent.id, MOST_VIEWS_COUNTED):
        query = query_of(row["filters"], row["sort"], agent.id, 1, None)
        try:
            chosen = filters(query, agent.actor, defined) if query else None
        except UnknownField:
            continue
        if chosen is not None:
            seconds = min(COUNT_SECONDS, until - time.monotonic())
            late = seconds <= 0
            found = None if late else await count_tickets(session, agent.actor, chosen, MOST_COUNTED + 1, seconds)
            counts.append(counted(row["id"], found))
    return reply(ViewCounts(data=counts))


@router.get("/{view_id}", response_model=ViewView, responses=refusals(NotFound))
async def get_view(view_id: ViewId, agent: Agent, session: Session) -> Response:
    """One view."""
    view = shown(readable(await views.find_view(session, view_id, agent.id)), agent)
    return reply(view, version=view.version)


@router.patch("/{view_id}", response_model=ViewView, responses=refusals(UnknownReference, Forbidden, NotFound, Stale))
async def change_view(view_id: ViewId, body: ChangeView, agent: Agent, session: Session, accepted: IfMatch) -> Response:
    """Change a view: one's own, or as a LEAD any that one sees."""
    before = await editable(session, view_id, agent)
    fresh(before["version"], accepted)
    await refuse_unknown(session, {("/teamId", "team"): body.team_id})
    await views.change_view(session, before, written(body))
    # Unshared by a LEAD it is out of their sight, and they see what they did once more.
    view = shown(await views.find_view(session, view_id, agent.id), agent)
    return reply(view, version=view.version)


@router.delete("/{view_id}", status_code=204, response_class=Response, responses=refusals(Forbidden, NotFound, Stale))
async def delete_view(view_id: ViewId, agent: Agent, session: Session, accepted: IfMatch) -> Response:
    """Delete a view: one's own, or as a LEAD any that one sees."""
    before = await editable(session, view_id, agent)
    fresh(before["version"], accepted)
    await views.delete_view(session, view_id)
    return Response(status_code=204)


@router.get(
    "/{view_id}/tickets", response_model=Page[TicketView], responses=refusals(NotFound, OutdatedView, UnknownField)
)
async def list_tickets_of_view(view_id: ViewId, agent: Agent, app: App, session: Session, page: PageQuery) -> Response:
    """The tickets that a view shows, as the ticket list does; `me` is whoever asks."""
    row = readable(await views.find_view(session, view_id, agent.id))
    query = query_of(row["filters"], row["sort"], agent.id, page.limit, page.cursor)
    if query is None:
        raise OutdatedView
    return reply(
        await ticket_page(session, query, page, agent.actor, await app.desk.fields.of(agent.tenant_id, session))
    )


def written(body: CreateView | ChangeView) -> dict[str, Any]:
    """The columns that a body sets."""
    sent = body.model_fields_set if isinstance(body, ChangeView) else type(body).model_fields.keys()
    values = {name: getattr(body, name) for name in sent - {"tenant_id"}}
    if "filters" in values:
        values["filters"] = values["filters"].model_dump(mode="json", by_alias=True, exclude_unset=True)
    return values


def counted(view_id: UUID, found: int | None) -> ViewCount:
    """What was found of a view's tickets, if they were counted in time."""
    if found is None:
        return ViewCount(view_id=view_id, count=None, more=False)
    return ViewCount(view_id=view_id, count=min(found, MOST_COUNTED), more=found > MOST_COUNTED)


def readable(row: views.Row | None) -> views.Row:
    """A view that the caller may read. Raises NotFound."""
    if row is None or not row["readable"]:
        raise NotFound("There is no such view.")
    return row


async def editable(session: Session, view_id: UUID, agent: Caller) -> views.Row:
    """A view that the caller may change, locked. Raises NotFound, Forbidden."""
    row = readable(await views.find_view(session, view_id, agent.id, lock=True))
    if not may_change(row, agent):
        raise Forbidden("Only its owner or a LEAD changes a view.", required_role=Role.LEAD)
    return row


def may_change(row: views.Row, agent: Caller) -> bool:
    """Whether a reader may change a view."""
    return row["owner_id"] == agent.id or agent.role.includes(Role.LEAD)


def shown(row: views.Row | None, agent: Caller) -> ViewView:
    """A view to show. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such view.")
    more = {"mine": row["owner_id"] == agent.id, "editable": may_change(row, agent)}
    fields = {name: row[name] for name in ViewView.model_fields if name not in more}
    return ViewView.model_validate(fields | more, by_name=True)
