"""Comments and calls on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas.attachments import AttachmentIds, FileView
from api.schemas.common import (
    Body,
    Instant,
    OwnTenant,
    Resource,
    View,
)
from api.schemas.tickets import Description, Reason
from domain.customers import ContactChannel
from domain.tickets.model import Direction, Status


class NewComment(Body):
    """Something said on a ticket, to the customer unless `internal`; `status` moves the ticket in the same decision.

    A LEAD may date a reply that happened earlier with `occurredAt` and a `reason`.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"body": "We found the cause.", "status": "PENDING_CUSTOMER"}]}
    )

    tenant_id: OwnTenant | None = None
    body: Description
    internal: StrictBool = False
    attachment_ids: AttachmentIds = []
    status: Status | None = None
    occurred_at: Instant | None = None
    reason: Annotated[Reason | None, Field(validate_default=True)] = None

    @field_validator("reason")
    @classmethod
    def _says_why_it_is_dated(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if reason is None and info.data.get("occurred_at") is not None:
            raise PydanticCustomError("missing", "must say why, when occurredAt is given")
        return reason


class NewCall(Body):
    """A call with the customer, logged: a call of some seconds is contact, and counts as an answer; its notes are the staff's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"direction": "INBOUND", "seconds": 340, "notes": "Walked through the set-up."}]
        }
    )

    tenant_id: OwnTenant | None = None
    direction: Direction
    seconds: Annotated[int, Field(ge=0, le=86_400, strict=True, description="0 is a call that was missed.")]
    notes: Description
    status: Status | None = None


class TypingBody(Body):
    """Somebody is writing; with `internal` a note, of which only the staff hear."""

    internal: StrictBool = False


class Author(View):
    """Who wrote a comment."""

    id: UUID | None
    name: str
    role: str


class CallView(View):
    """A call that was logged."""

    direction: Direction
    seconds: int


class UndeliveredView(View):
    """An address that an answer did not reach: it was given up then, or came back."""

    address: str
    at: datetime
    reason: str


class CommentView(Resource):
    """A comment. On a final ticket a customer's comment opens a follow-up: `ticketId` is then the new ticket's.

    On a ticket that was merged it lands on the other one. `quoted` is what a mail quoted, folded away; `automatic` was written
    by a machine. `undelivered` is for the staff: whom it did not reach, and why; what gets through by a repeat is no longer there.
    """

    ticket_id: UUID
    author: Author
    body: str
    internal: bool
    channel: ContactChannel | None = Field(description="How it came, where that is not the ticket's own channel.")
    automatic: bool
    quoted: str | None
    call: CallView | None
    attachments: list[FileView]
    undelivered: list[UndeliveredView] = []


class CommentOrder(StrEnum):
    """The order of a conversation."""

    NEWEST = "-createdAt"
    OLDEST = "createdAt"
