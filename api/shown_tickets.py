"""Tickets and comments as their readers see them: from a row, or from what a decision answered."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from api.auth import Caller
from api.schemas.attachments import FileView
from api.schemas.comments import Author, CallView, CommentView, NewComment, UndeliveredView
from api.schemas.tickets import SlaStanding, TicketView
from domain.customers import ContactChannel
from domain.identity import Actor
from domain.protocol import Receipt
from domain.tickets.fields import Definitions
from domain.tickets.lifecycle import allowed
from domain.tickets.model import Call, Status, Ticket
from domain.tickets.standing import seen, standing

TICKET_FIELDS: Final = tuple(
    name for name in TicketView.model_fields if name not in {"number", "allowed_transitions", "sla"}
)


def from_receipt(receipt: Receipt, description: str, reader: Actor, defined: Definitions) -> TicketView:
    """The ticket as a decision left it."""
    shown = standing(Ticket.model_validate(receipt.state), receipt.deadlines)._asdict()
    told = {"description": description, "satisfaction": receipt.answer.get("satisfaction")}
    return ticket_view(receipt.state | told | shown, reader, defined)


def ticket_view(row: Mapping[str, Any], reader: Actor, defined: Definitions) -> TicketView:
    """A ticket's row or state as its reader sees it, by the custom fields that the tenant has defined."""
    fields = {name: row[name] for name in TICKET_FIELDS}
    sla = SlaStanding(
        state=seen(row["sla_standing"], row["at_risk_at"], datetime.now(UTC)),
        next_deadline_at=row["next_deadline_at"],
        next_kind=row["next_deadline_kind"],
    )
    derived: dict[str, Any] = {
        "number": f"SUP-{row['number']}",
        "allowed_transitions": allowed(Status(row["status"]), reader),
    }
    if not reader.staff:
        derived |= {"watchers": [], "route": None, "links": [], "fields": defined.shown(row["fields"])}
    return TicketView.model_validate(fields | derived | {"sla": sla}, by_name=True)


def file_views(rows: Iterable[Mapping[str, Any]]) -> list[FileView]:
    """The files of a comment as its readers see them."""
    return [FileView.model_validate({name: row[name] for name in FileView.model_fields}, by_name=True) for row in rows]


def undelivered_views(rows: Iterable[Mapping[str, Any]]) -> list[UndeliveredView]:
    """The addresses that an answer did not reach, as the staff see them."""
    return [
        UndeliveredView.model_validate({name: row[name] for name in UndeliveredView.model_fields}, by_name=True)
        for row in rows
    ]


def comment_view(
    row: Mapping[str, Any], files: Sequence[Mapping[str, Any]], lost: Iterable[Mapping[str, Any]] = ()
) -> CommentView:
    """A comment's row as its readers see it; `lost` are the answers on its ticket that did not arrive, as far as they may know."""
    author = Author(id=row["author_id"], name=row["author_name"], role=row["author_role"])
    at = row["created_at"]
    shown = {name: row[name] for name in ("id", "ticket_id", "body", "internal", "channel", "automatic", "quoted")}
    called = row["call_direction"] is not None
    shown["attachments"] = file_views(files)
    shown["undelivered"] = undelivered_views(each for each in lost if each["comment_id"] == row["id"])
    shown["call"] = CallView(direction=row["call_direction"], seconds=row["call_seconds"]) if called else None
    return CommentView.model_validate(
        shown | {"author": author, "created_at": at, "updated_at": at, "version": 1}, by_name=True
    )


def said_view(
    comment_id: UUID, ticket_id: UUID, body: NewComment, caller: Caller, at: datetime, call: Call | None = None
) -> CommentView:
    """A comment that was just made, as its author gets it back."""
    return CommentView(
        id=comment_id,
        ticket_id=ticket_id,
        author=Author(id=caller.id, name=caller.actor.name, role=caller.role),
        body=body.body,
        internal=body.internal,
        channel=ContactChannel.PHONE if call else None,
        automatic=False,
        quoted=None,
        call=CallView(direction=call.direction, seconds=call.seconds) if call else None,
        attachments=[],
        created_at=at,
        updated_at=at,
        version=1,
    )
