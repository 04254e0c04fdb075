"""Tickets over HTTP: aliases in, one call, a view out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api.dependencies import Agent, App, IdempotencyKey, IfMatch, PageQuery, Principal, Session, page_of
from api.errors import refusals
from api.history import told
from api.paging import Page, PageRequest
from api.responses import reply
from api.routing import Area
from api.schemas.comments import CommentOrder, CommentView, NewComment
from api.schemas.history import HistoryView
from api.schemas.tickets import NewTicket, TicketPatch, TicketQuery, TicketView
from api.shown_tickets import comment_view, ticket_view
from db.attachments import attachments_of
from db.tickets.history import list_history
from db.tickets.reads import TicketFilters, find_ticket, list_comments, list_tickets
from db.undelivered import list_undelivered
from domain.identity import Actor
from domain.process import Forbidden, Invalid, KeyReused, NotFound, Stale
from domain.tickets.fields import Definitions, looked_up
from domain.tickets.lifecycle import IllegalTransition, TicketFinal

router = Area(prefix="/api/tickets", tags=["Tickets"])

TicketId = Annotated[UUID, Path(description="The ticket's id.")]
Filters = Annotated[TicketQuery, Query()]

HISTORY_SORT: Final = "-revision"


class UnknownField(Invalid):
    """A filter names a custom field that there is not, or not for the caller."""

    def __init__(self, key: str) -> None:
        wrong = {"parameter": "field", "code": "unknown_field", "detail": f"{key[:40]} is not a field to filter by"}
        super().__init__("There is no such custom field.", [wrong])


@router.post("", status_code=201, response_model=TicketView, responses=refusals(Forbidden, KeyReused))
async def create_ticket(body: NewTicket, caller: Principal, app: App, key: IdempotencyKey = None) -> Response:
    """Open a ticket. The tier comes from the customer's account when one is known, else from the body, else it is BASIC."""
    ticket = await app.desk.create(body, caller, key)
    return reply(ticket, 201, version=ticket.version, location=f"/api/tickets/{ticket.id}")


@router.get("", response_model=Page[TicketView], responses=refusals(UnknownField))
async def search_tickets(request: Request, query: Filters, caller: Principal, app: App, session: Session) -> Response:
    """The tickets that the caller may see, filtered, sorted and searched (`q`: words, "phrases", -not, or)."""
    page = page_of(request, query.limit, query.cursor)
    return reply(
        await ticket_page(session, query, page, caller.actor, await app.desk.fields.of(caller.tenant_id, session))
    )


@router.get("/{ticket_id}", response_model=TicketView, responses=refusals(NotFound))
async def get_ticket(ticket_id: TicketId, caller: Principal, app: App, session: Session) -> Response:
    """One ticket, with the moves that are allowed next."""
    row = found(await find_ticket(session, caller.actor, ticket_id))
    defined = await app.desk.fields.of(caller.tenant_id, session)
    return reply(ticket_view(row, caller.actor, defined), version=row["version"])


@router.patch(
    "/{ticket_id}",
    response_model=TicketView,
    responses=refusals(Forbidden, NotFound, IllegalTransition, TicketFinal, Stale, KeyReused),
)
async def change_ticket(
    ticket_id: TicketId, body: TicketPatch, caller: Principal, app: App, versions: IfMatch, key: IdempotencyKey = None
) -> Response:
    """Change a ticket's fields; status follows the lifecycle. Customers may only reopen or close what was resolved."""
    ticket = await app.desk.change(ticket_id, body, caller, versions, key)
    return reply(ticket, version=ticket.version)


@router.post(
    "/{ticket_id}/comments",
    status_code=201,
    response_model=CommentView,
    responses=refusals(Forbidden, NotFound, IllegalTransition, TicketFinal, KeyReused),
)
async def add_comment(
    ticket_id: TicketId, body: NewComment, caller: Principal, app: App, key: IdempotencyKey = None
) -> Response:
    """Say something on a ticket. A customer's comment on a final one opens a follow-up, whose id is then `ticketId`."""
    comment = await app.conversation.comment(ticket_id, body, caller, key)
    return reply(comment, 201, version=comment.version, location=f"/api/tickets/{comment.ticket_id}/comments")


@router.get("/{ticket_id}/comments", response_model=Page[CommentView], responses=refusals(NotFound))
async def get_comments(
    ticket_id: TicketId, caller: Principal, session: Session, page: PageQuery, sort: CommentOrder = CommentOrder.NEWEST
) -> Response:
    """A ticket's conversation; customers see the public part."""
    found(await find_ticket(session, caller.actor, ticket_id))
    oldest = sort is CommentOrder.OLDEST
    seen = page.after(sort)
    start = (datetime.fromisoformat(seen[0]), UUID(seen[1])) if seen else None
    rows = await list_comments(session, caller.actor, ticket_id, start, page.count, oldest=oldest)
    files = await attachments_of(session, [row["id"] for row in rows])
    lost = await list_undelivered(session, ticket_id) if caller.actor.staff else ()
    return reply(page.page(rows, lambda row: comment_view(row, files[row["id"]], lost), sort))


@router.get("/{ticket_id}/history", response_model=Page[HistoryView], responses=refusals(NotFound))
async def get_history(ticket_id: TicketId, agent: Agent, session: Session, page: PageQuery) -> Response:
    """Every decision on a ticket: who, when, what changed, and in words."""
    found(await find_ticket(session, agent.actor, ticket_id))
    seen = page.after(HISTORY_SORT)
    rows = await list_history(session, ticket_id, seen[0] if seen else None, page.count)
    views = await told(session, ticket_id, rows)
    return reply(page.page(rows, lambda row: views[row["revision"]], HISTORY_SORT, lambda row: [row["revision"]]))


async def ticket_page(
    session: AsyncConnection, query: TicketQuery, page: PageRequest, reader: Actor, defined: Definitions
) -> Page[TicketView]:
    """A page of the tickets that a query finds for a reader."""
    chosen, sort = filters(query, reader, defined), query.sort
    rows = await list_tickets(session, reader, chosen, sort, after(page, sort), page.count)
    return page.page(rows, partial(ticket_view, reader=reader, defined=defined), sort, lambda row: sort_keys(row, sort))


def found(row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The row, which must exist. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such ticket.")
    return row


def filters(query: TicketQuery, reader: Actor, defined: Definitions) -> TicketFilters:
    """The query as the database takes it. Raises UnknownField."""
    names = (
        "status",
        "severity",
        "priority",
        "sla_tier",
        "category",
        "channel",
        "assignee_id",
        "team_id",
        "account_id",
    )
    return TicketFilters(
        q=query.q,
        any_of={name: values for name in names if (values := getattr(query, name))},
        unassigned=query.unassigned,
        tags=query.tag,
        customer_email=query.customer_email,
        fields=by_field(query.field, reader, defined),
        sla_states=query.sla_state,
        created_from=query.created_from,
        created_to=query.created_to,
        due_before=query.due_before,
    )


def by_field(asked: Sequence[str], reader: Actor, defined: Definitions) -> dict[str, list[str]]:
    """The values asked for of each custom field, as the index has them. Raises UnknownField."""
    wanted: dict[str, list[str]] = {}
    for each in asked:
        key, _, text = each.partition(":")
        value = looked_up(defined, key, text, by_staff=reader.staff)
        if value is None:
            raise UnknownField(key)
        wanted.setdefault(key, []).append(value)
    return wanted


def after(page: PageRequest, sort: str) -> list[Any] | None:
    """The keyset of a cursor, typed as its sort needs it."""
    values = page.after(sort)
    if values is None:
        return None
    value, ticket_id = values
    return [value if sort.endswith("priority") else datetime.fromisoformat(value), UUID(ticket_id)]


def sort_keys(row: Mapping[str, Any], sort: str) -> list[str | int | None]:
    """The sort keys of a row, for its cursor."""
    value = row["sort_key"]
    return [value if sort.endswith("priority") else value.isoformat(), str(row["id"])]
