"""What a decision on a ticket writes: its row, its comments and their search documents, as statements with values."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json
from sqlalchemy import bindparam, cast, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from db.decisions import OpenDecision
from db.projections.clocks import project_clocks
from db.statements import Bound, Statement, json_param
from db.tables.tickets import support_tickets
from domain.ids import opening_id
from domain.process import Decision
from domain.tickets.model import AddComment, ChangeTicket, CreateTicket, Ticket
from domain.tickets.standing import standing

MOVING: Final = (
    "status",
    "status_since",
    "subject",
    "priority",
    "severity",
    "category",
    "sla_tier",
    "assignee_id",
    "team_id",
    "first_response_at",
    "resolved_at",
    "closed_at",
    "reopens",
    "updated_at",
    "version",
)
STANDING: Final = ("next_deadline_at", "next_deadline_kind", "sla_standing", "at_risk_at", "overdue_since")
FIXED: Final = (
    "id",
    "number",
    "customer_email",
    "channel",
    "account_id",
    "requester_id",
    "follow_up_of",
    "created_at",
)

_MOVING_VALUES: Final[dict[str, Any]] = {name: bindparam(name) for name in (*MOVING, *STANDING)} | {
    "tags": cast(bindparam("tags"), ARRAY(Text)),
    "fields": json_param("fields"),
}

ADD_TICKET = Statement(
    insert(support_tickets).values(
        _MOVING_VALUES | {name: bindparam(name) for name in (*FIXED, "tenant_id", "description")}
    )
)
MOVE_TICKET = Statement(
    update(support_tickets).where(support_tickets.c.id == bindparam("ticket")).values(_MOVING_VALUES)
)
DESCRIBE_TICKET = Statement(
    update(support_tickets)
    .where(support_tickets.c.id == bindparam("ticket"))
    .values(description=bindparam("description")),
    alone=True,
)
ADD_COMMENT: Final = """
insert into ticket_comments
    (id, tenant_id, ticket_id, revision, author_id, author_name, author_role, body, internal, created_at)
values (:source_id, :tenant_id, :ticket_id, :revision, :author_id, :author_name, :author_role, :body, :internal, :written_at)"""

INDEX_TEXT: Final = """
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
values (:tenant_id, :ticket_id, :source_id, :internal, :created_at,
        setweight(to_tsvector('english', :title), 'A') || setweight(to_tsvector('english', :body), 'B'))"""

INDEX_TICKET = Statement(text(INDEX_TEXT))
WRITE_COMMENT = Statement(text(ADD_COMMENT), text(INDEX_TEXT))
TAG_TICKET = Statement(
    text("delete from ticket_tags where ticket_id = :ticket and tag <> all(cast(:tags as text[]))"),
    text("""
insert into ticket_tags (tenant_id, ticket_id, tag)
select :tenant_id, :ticket, tag from unnest(cast(:tags as text[])) tag
on conflict do nothing
"""),
)
REINDEX_TICKET = Statement(
    text("""
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select tenant_id, id, id, false, created_at,
       setweight(to_tsvector('english', subject), 'A') || setweight(to_tsvector('english', description), 'B')
from support_tickets where id = :ticket
on conflict (ticket_id, source_id) do update set document = excluded.document
"""),
    alone=True,
)


def project_ticket(opened: OpenDecision, decision: Decision[Ticket]) -> Iterator[Bound]:
    """The writes of one decision, in an order that foreign keys accept."""
    command = opened.request.command
    tenant = {"tenant_id": opened.request.tenant_id}
    ticket = decision.state
    if isinstance(command, CreateTicket):
        fixed = {name: getattr(ticket, name) for name in FIXED}
        yield Bound(ADD_TICKET, tenant | fixed | moving(decision) | {"description": command.description})
        yield Bound(INDEX_TICKET, index_values(opened, ticket, ticket.id, ticket.subject, command.description))
        if ticket.tags:
            yield Bound(TAG_TICKET, tenant | {"ticket": ticket.id, "tags": list(ticket.tags)})
        if command.opening:
            yield written(opened, ticket, opening_id(ticket.id), command.opening, internal=False)
        yield from project_clocks(opened, decision)
        return
    yield Bound(MOVE_TICKET, {"ticket": ticket.id} | moving(decision))
    if isinstance(command, ChangeTicket) and command.description is not None:
        yield Bound(DESCRIBE_TICKET, {"ticket": ticket.id, "description": command.description})
    if {"subject", "description"} & decision.changes.keys():
        yield Bound(REINDEX_TICKET, {"ticket": ticket.id})
    if "tags" in decision.changes:
        yield Bound(TAG_TICKET, tenant | {"ticket": ticket.id, "tags": list(ticket.tags)})
    if isinstance(command, AddComment):
        yield written(opened, ticket, command.comment_id, command.body, internal=command.internal)
    yield from project_clocks(opened, decision)


def moving(decision: Decision[Ticket]) -> dict[str, Any]:
    """The columns that any decision may move."""
    ticket = decision.state
    shown = standing(ticket, decision.deadlines)
    return {name: getattr(ticket, name) for name in MOVING} | {
        "tags": list(ticket.tags),
        "fields": to_json(ticket.fields).decode(),
        **shown._asdict(),
    }


def written(opened: OpenDecision, ticket: Ticket, comment_id: Any, body: str, *, internal: bool) -> Bound:
    """A comment with its search document."""
    actor = opened.request.actor
    return Bound(
        WRITE_COMMENT,
        index_values(opened, ticket, comment_id, "", body)
        | {
            "internal": internal,
            "revision": opened.snapshot.revision + 1,
            "author_id": actor.id,
            "author_name": actor.name,
            "author_role": actor.role,
            "written_at": getattr(opened.request.command, "occurred_at", None) or opened.at,
        },
    )


def index_values(opened: OpenDecision, ticket: Ticket, source: Any, title: str, body: str) -> dict[str, Any]:
    """The search document of a ticket, or of one comment."""
    return {
        "tenant_id": opened.request.tenant_id,
        "ticket_id": ticket.id,
        "source_id": source,
        "internal": False,
        "created_at": ticket.created_at,
        "title": title,
        "body": body,
    }
