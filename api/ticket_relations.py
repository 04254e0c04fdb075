"""What agents do with tickets beside talking: merge, link, watch, copy somebody in, log a call."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path
from starlette.responses import Response

from api.dependencies import Agent, App, IdempotencyKey, PageQuery, Principal, Session
from api.errors import refusals
from api.paging import Page
from api.responses import reply
from api.routing import Area
from api.schemas.comments import CommentView, NewCall, TypingBody
from api.schemas.common import Email
from api.schemas.tickets import CopyBody, LinkBody, LinkedView, MergeBody, TicketView, WatcherBody
from api.tickets import TicketId, found
from db.events import note_typing
from db.tickets.reads import find_ticket
from db.tickets.relations import list_links
from domain.process import Forbidden, Invalid, KeyReused, NotFound
from domain.tickets.commands import Relate
from domain.tickets.lifecycle import IllegalTransition, TicketFinal
from domain.tickets.merging import MergeAcrossAccounts, MergeTargetFinal
from domain.tickets.model import Link, LinkKind

router = Area(prefix="/api/tickets", tags=["Tickets"])

LINK_ORDER: Final = "-outgoing,type,targetId"

REFUSED = refusals(Forbidden, NotFound, TicketFinal, Invalid, KeyReused)
Address = Annotated[Email, Path(description="The address.")]
PersonId = Annotated[UUID, Path(description="The colleague's id.")]
TargetId = Annotated[UUID, Path(description="The id of what is at the other end.")]
LinkType = Annotated[LinkKind, Path(description="What is at the other end.")]


@router.post(
    "/{ticket_id}/merge",
    response_model=TicketView,
    responses=refusals(Forbidden, NotFound, TicketFinal, MergeTargetFinal, MergeAcrossAccounts, Invalid, KeyReused),
)
async def merge_ticket(
    ticket_id: TicketId, body: MergeBody, agent: Agent, app: App, key: IdempotencyKey = None
) -> Response:
    """Close this ticket as one with another, where its conversation and its customer's wait go on; answers with this one."""
    ticket = await app.desk.merge(ticket_id, body, agent, key)
    return reply(ticket, version=ticket.version)


@router.post("/{ticket_id}/links", response_model=TicketView, responses=REFUSED)
async def link_ticket(
    ticket_id: TicketId, body: LinkBody, agent: Agent, app: App, key: IdempotencyKey = None
) -> Response:
    """Link a ticket with another one, an article or an incident; once more changes nothing."""
    command = Relate(link=Link(type=body.type, target_id=body.target_id))
    ticket = await app.desk.relate(ticket_id, command, agent, key, "POST links")
    return reply(ticket, version=ticket.version)


@router.get("/{ticket_id}/links", response_model=Page[LinkedView], responses=refusals(NotFound))
async def get_links(ticket_id: TicketId, agent: Agent, session: Session, page: PageQuery) -> Response:
    """A ticket's links from both ends, its own first."""
    found(await find_ticket(session, agent.actor, ticket_id))
    seen = page.after(LINK_ORDER)
    last = (bool(seen[0]), str(seen[1]), UUID(seen[2])) if seen else None
    rows = await list_links(session, ticket_id, count=page.count, after=last)
    return reply(page.page(rows, linked_view, LINK_ORDER, link_keys))


@router.delete("/{ticket_id}/links/{link_type}/{target_id}", response_model=TicketView, responses=REFUSED)
async def unlink_ticket(
    ticket_id: TicketId, link_type: LinkType, target_id: TargetId, agent: Agent, app: App
) -> Response:
    """Take a link away; what is not linked stays so."""
    command = Relate(link=Link(type=link_type, target_id=target_id), remove=True)
    ticket = await app.desk.relate(ticket_id, command, agent, None, "DELETE links")
    return reply(ticket, version=ticket.version)


@router.post("/{ticket_id}/watchers", response_model=TicketView, responses=REFUSED)
async def watch_ticket(
    ticket_id: TicketId, body: WatcherBody, agent: Agent, app: App, key: IdempotencyKey = None
) -> Response:
    """Have a colleague, or oneself, hear what happens on a ticket."""
    ticket = await app.desk.relate(ticket_id, Relate(watcher_id=body.user_id), agent, key, "POST watchers")
    return reply(ticket, version=ticket.version)


@router.delete("/{ticket_id}/watchers/{user_id}", response_model=TicketView, responses=REFUSED)
async def unwatch_ticket(ticket_id: TicketId, user_id: PersonId, agent: Agent, app: App) -> Response:
    """End that."""
    command = Relate(watcher_id=user_id, remove=True)
    ticket = await app.desk.relate(ticket_id, command, agent, None, "DELETE watchers")
    return reply(ticket, version=ticket.version)


@router.post("/{ticket_id}/cc", response_model=TicketView, responses=REFUSED)
async def copy_in(ticket_id: TicketId, body: CopyBody, agent: Agent, app: App, key: IdempotencyKey = None) -> Response:
    """Have an address hear what the customer is told; who reads there may answer by mail. A colleague watches the ticket instead."""
    ticket = await app.desk.copy_in(ticket_id, body.email, agent, key)
    return reply(ticket, version=ticket.version)


@router.delete("/{ticket_id}/cc/{email:path}", response_model=TicketView, responses=REFUSED)
async def leave_out(ticket_id: TicketId, email: Address, agent: Agent, app: App) -> Response:
    """End that."""
    ticket = await app.desk.relate(ticket_id, Relate(cc=email, remove=True), agent, None, "DELETE cc")
    return reply(ticket, version=ticket.version)


@router.post(
    "/{ticket_id}/calls",
    status_code=201,
    response_model=CommentView,
    responses=refusals(Forbidden, NotFound, IllegalTransition, TicketFinal, KeyReused),
)
async def log_call(ticket_id: TicketId, body: NewCall, agent: Agent, app: App, key: IdempotencyKey = None) -> Response:
    """Log a call with the customer: it stands in the conversation, and one that came about counts as an answer."""
    comment = await app.conversation.log_call(ticket_id, body, agent, key)
    return reply(comment, 201, version=comment.version, location=f"/api/tickets/{ticket_id}/comments")


@router.post("/{ticket_id}/typing", status_code=204, response_class=Response, responses=refusals(NotFound))
async def note_that_somebody_writes(
    ticket_id: TicketId, body: TypingBody, caller: Principal, session: Session
) -> Response:
    """Tell those who listen to `GET /api/events` that one is writing; send it every few seconds while that is so."""
    found(await find_ticket(session, caller.actor, ticket_id))
    internal = body.internal and caller.actor.staff
    await note_typing(session, ticket_id, caller.actor.name, caller.role, internal=internal)
    return Response(status_code=204)


def linked_view(row: Mapping[str, Any]) -> LinkedView:
    """A link to show."""
    number = f"SUP-{row['number']}" if row["number"] else None
    return LinkedView.model_validate({**row, "number": number}, by_name=True)


def link_keys(row: Mapping[str, Any]) -> list[str | int | None]:
    """The sort keys of the list."""
    return [int(row["outgoing"]), row["type"], str(row["target_id"])]
