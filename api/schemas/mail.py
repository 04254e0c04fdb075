"""Mailboxes and mail that came in, on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, Email, Line, OwnTenant, Resource, View, Word, left_out
from domain.mail.plans import Reason

RAW: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "minLength": 1,
                    "description": "The mail as it came; at most `SUMMIT_MAIL_MAX_BYTES` (25 MB unless set).",
                }
            }
            for kind in ("message/rfc822", "application/octet-stream")
        },
    }
}
"""The body of a mail that is handed over, which the framework does not read."""


def without_plus(address: str) -> str:
    """A mailbox's address in lower case; what stands behind a plus sign names tickets."""
    if "+" in address:
        raise PydanticCustomError("plus", "must have no plus sign: what follows one names a ticket")
    return address.lower()


MailboxAddress = Annotated[Email, AfterValidator(without_plus), Field(examples=["support@example.com"])]


class MailboxView(Resource):
    """An address at which mail becomes tickets."""

    address: str
    name: str
    team_id: UUID | None
    category: str | None
    active: bool
    is_default: bool


class CreateMailbox(Body):
    """A new mailbox. The first of a tenant is its default, from which mail goes that belongs to no other."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"address": "billing@example.com", "name": "Billing", "category": "Billing"}]}
    )

    tenant_id: OwnTenant | None = None
    address: MailboxAddress
    name: Line
    team_id: UUID | None = Field(default=None, description="Whose tickets its mail becomes; else rules decide.")
    category: Word | None = None
    active: StrictBool = True
    is_default: StrictBool = False


class ChangeMailbox(Body):
    """Only the fields that are sent change; `null` clears team and category."""

    address: MailboxAddress = left_out()
    name: Line = left_out()
    team_id: UUID | None = None
    category: Word | None = None
    active: StrictBool = left_out()
    is_default: StrictBool = left_out()


class MailState(StrEnum):
    """Where a mail stands: PARKED waits for somebody to look at it."""

    RECEIVED = "RECEIVED"
    DONE = "DONE"
    PARKED = "PARKED"
    DISCARDED = "DISCARDED"


class InboundView(Resource):
    """A mail that came. A parked one says why; it can be accepted, tried again or discarded."""

    mailbox_id: UUID
    message_id: str | None
    envelope_sender: str | None = Field(description="Empty for mail that must not be answered; null where not known.")
    recipient: str
    author: str = Field(description="Whom From names.")
    subject: str
    size: int
    state: MailState
    reason: Reason | None
    detail: str | None
    ticket_id: UUID | None
    comment_id: UUID | None
    accepted: bool
    attempts: int
    received_at: datetime


class FileOfMail(View):
    """A file in a mail, as its sender calls it."""

    name: str
    content_type: str


class MailContentView(InboundView):
    """A mail with what it says. Its HTML holds nothing that runs or calls home."""

    blank: bool = Field(description="What it said is kept no longer; what became of it is.")
    to: list[str]
    cc: list[str]
    text: str
    quoted: str | None
    html: str | None
    machine: str | None = Field(description="Why it is taken for a machine's.")
    files: list[FileOfMail]


class TakenView(View):
    """A mail that was taken; what becomes of it is seen at `/api/mail/inbound/{id}`."""

    id: UUID
    state: MailState
