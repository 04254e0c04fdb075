"""What a decision on a ticket writes: its row, its comments and their search documents, as statements with values."""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import bindparam, cast, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text, Uuid

from db.decisions import OpenDecision
from db.projections.clocks import project_clocks
from db.projections.queues import project_queue
from db.statements import Bound, Statement, json_param
from db.tables.tickets import support_tickets
from domain.ids import derived_id, opening_id
from domain.process import Decision
from domain.tickets.commands import (
    AddComment,
    CreateTicket,
    ImportComments,
    ImportedComment,
    ImportTicket,
    Merge,
    change_in,
    comment_in,
)
from domain.tickets.model import Ticket
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
    "merged_into",
    "language",
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
    "external_ref",
    "mailbox_id",
    "created_at",
)

_MOVING_VALUES: Final[dict[str, Any]] = {name: bindparam(name) for name in (*MOVING, *STANDING)} | {
    "tags": cast(bindparam("tags"), ARRAY(Text)),
    "cc": cast(bindparam("cc"), ARRAY(Text)),
    "watchers": cast(bindparam("watchers"), ARRAY(Uuid)),
    "fields": json_param("fields"),
    "links": json_param("links"),
    "route": json_param("route"),
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
    (id, tenant_id, ticket_id, revision, author_id, author_name, author_role, body, internal, channel, automatic, quoted,
     call_direction, call_seconds, created_at)
values (:source_id, :tenant_id, :ticket_id, :revision, :author_id, :author_name, :author_role, :body, :internal, :channel,
     :automatic, :quoted, :call_direction, :call_seconds, :written_at)"""

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
LINK_TICKET = Statement(
    text("""
delete from ticket_links l where l.ticket_id = :ticket and not exists (
  select from json_to_recordset(cast(:links as json)) k(type text, target_id uuid)
  where k.type = l.type and k.target_id = l.target_id)
"""),
    text("""
insert into ticket_links (tenant_id, ticket_id, type, target_id)
select :tenant_id, :ticket, type, target_id from json_to_recordset(cast(:links as json)) k(type text, target_id uuid)
on conflict do nothing
"""),
)
ATTACH = Statement(
    text("""
insert into ticket_attachments (tenant_id, attachment_id, ticket_id, comment_id, internal)
select :tenant_id, id, :ticket, :comment, :internal from unnest(cast(:files as uuid[])) id
""")
)
TAKE_OVER_COMMENTS = Statement(
    text("""
insert into ticket_comments (id, tenant_id, ticket_id, revision, author_id, author_name, author_role, body, internal, created_at)
select comment_id, :tenant_id, :ticket, :revision, author_id, author_name, author_role, body, internal, at
from json_to_recordset(cast(:comments as json)) c(comment_id uuid, author_id uuid, author_name text, author_role text, body text,
  internal boolean, at timestamptz)
on conflict do nothing
"""),
    text("""
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select :tenant_id, :ticket, comment_id, internal, :created_at, setweight(to_tsvector('english', body), 'B')
from json_to_recordset(cast(:comments as json)) c(comment_id uuid, body text, internal boolean)
on conflict do nothing
"""),
)
# What a merge leaves to be done at the other ticket is written with it; whoever runs jobs does it, should the API die now.
HAND_ON = Statement(
    text("""
insert into jobs (id, tenant_id, kind, input, author)
values (:job, :tenant_id, 'ABSORB', jsonb_build_object('source', cast(:ticket as text)), cast(:author as jsonb))
""")
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
    if isinstance(command, CreateTicket | ImportTicket):
        yield from project_new(opened, decision, command)
    else:
        yield from project_moved(opened, decision, command)
    yield from project_clocks(opened, decision)
    yield from project_queue(opened, decision)


def project_new(
    opened: OpenDecision, decision: Decision[Ticket], command: CreateTicket | ImportTicket
) -> Iterator[Bound]:
    """A ticket's row, and what came with it."""
    ticket, tenant = decision.state, {"tenant_id": opened.request.tenant_id}
    fixed = {name: getattr(ticket, name) for name in FIXED}
    yield Bound(ADD_TICKET, tenant | fixed | moving(decision) | {"description": command.description})
    yield Bound(INDEX_TICKET, index_values(opened, ticket, ticket.id, ticket.subject, command.description))
    if ticket.tags:
        yield Bound(TAG_TICKET, tenant | {"ticket": ticket.id, "tags": list(ticket.tags)})
    if ticket.links:
        yield linked(opened, ticket)
    said = None
    if isinstance(command, CreateTicket) and command.opening:
        said = AddComment(comment_id=opening_id(ticket.id), body=command.opening, quoted=command.quoted)
        yield written(opened, ticket, said)
    if command.attachment_ids:
        yield attached(opened, ticket, command.attachment_ids, said)
    if isinstance(command, ImportTicket) and command.comments:
        yield taken_over(opened, ticket, command.comments)


def project_moved(opened: OpenDecision, decision: Decision[Ticket], command: Any) -> Iterator[Bound]:
    """What a decision on a ticket that there is has moved, and what was said with it."""
    ticket, changes = decision.state, decision.changes
    tenant = {"tenant_id": opened.request.tenant_id}
    yield Bound(MOVE_TICKET, {"ticket": ticket.id} | moving(decision))
    if isinstance(command, ImportComments) and command.comments:
        yield taken_over(opened, ticket, command.comments)
    asked = change_in(command)
    if asked and asked.description is not None:
        yield Bound(DESCRIBE_TICKET, {"ticket": ticket.id, "description": asked.description})
    if {"subject", "description"} & changes.keys():
        yield Bound(REINDEX_TICKET, {"ticket": ticket.id})
    if "tags" in changes:
        yield Bound(TAG_TICKET, tenant | {"ticket": ticket.id, "tags": list(ticket.tags)})
    if "links" in changes:
        yield linked(opened, ticket)
    said = comment_in(command)
    if said:
        yield written(opened, ticket, said)
        if said.attachment_ids:
            yield attached(opened, ticket, said.attachment_ids, said)
    if isinstance(command, Merge):
        author = opened.request.actor.model_dump_json()
        yield Bound(HAND_ON, tenant | {"ticket": ticket.id, "author": author, "job": derived_id("absorb", ticket.id)})


def moving(decision: Decision[Ticket]) -> dict[str, Any]:
    """The columns that any decision may move."""
    ticket = decision.state
    shown = standing(ticket, decision.deadlines)
    return {name: getattr(ticket, name) for name in MOVING} | {
        "tags": list(ticket.tags),
        "cc": list(ticket.cc),
        "watchers": list(ticket.watchers),
        "fields": to_json(ticket.fields).decode(),
        "links": to_json(ticket.links).decode(),
        "route": ticket.route.model_dump_json() if ticket.route else None,
        **shown._asdict(),
    }


def linked(opened: OpenDecision, ticket: Ticket) -> Bound:
    """A ticket's links, as they can be found from the other end."""
    links = to_json(ticket.links).decode()
    return Bound(LINK_TICKET, {"tenant_id": opened.request.tenant_id, "ticket": ticket.id, "links": links})


def attached(opened: OpenDecision, ticket: Ticket, files: Sequence[UUID], said: AddComment | None = None) -> Bound:
    """The files that came with a ticket, or with what was said on it."""
    return Bound(
        ATTACH,
        {
            "tenant_id": opened.request.tenant_id,
            "ticket": ticket.id,
            "comment": said.comment_id if said else None,
            "internal": said.internal if said else False,
            "files": list(files),
        },
    )


def taken_over(opened: OpenDecision, ticket: Ticket, comments: Sequence[ImportedComment]) -> Bound:
    """Comments of another desk with their search documents. Their ids are those of there, so one that comes again is there."""
    return Bound(
        TAKE_OVER_COMMENTS,
        {
            "tenant_id": opened.request.tenant_id,
            "ticket": ticket.id,
            "revision": opened.snapshot.revision + 1,
            "comments": to_json(comments).decode(),
            "created_at": ticket.created_at,
        },
    )


def written(opened: OpenDecision, ticket: Ticket, said: AddComment) -> Bound:
    """A comment with its search document."""
    actor = opened.request.actor
    return Bound(
        WRITE_COMMENT,
        index_values(opened, ticket, said.comment_id, "", said.body)
        | {
            "internal": said.internal,
            "revision": opened.snapshot.revision + 1,
            "author_id": actor.id,
            "author_name": actor.name,
            "author_role": actor.role,
            "channel": said.via,
            "automatic": said.automatic,
            "quoted": said.quoted,
            "call_direction": said.call.direction if said.call else None,
            "call_seconds": said.call.seconds if said.call else None,
            "written_at": said.occurred_at or opened.at,
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
