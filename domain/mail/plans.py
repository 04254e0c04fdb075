"""What is to be done with a mail: decided once and written down before it is done, so that a repeat does the same."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from domain.identity import Actor
from domain.process import Frozen
from domain.tickets.model import Status


class Reason(StrEnum):
    """Why a mail waits for somebody of the desk to look at it."""

    BOUNCE = "BOUNCE"
    AUTOMATIC = "AUTOMATIC"
    LOOP = "LOOP"
    UNVERIFIED = "UNVERIFIED"
    NO_SENDER = "NO_SENDER"
    REFUSED = "REFUSED"
    REPEATED = "REPEATED"
    FAILED = "FAILED"


class Suppression(Frozen):
    """An address that gets no more mail, because a server said that it never will."""

    address: str
    status: str


class CameBack(Frozen):
    """A mail of ours that did not arrive, as a server says that had it."""

    notice: UUID
    status: str


class Park(Frozen):
    """Leave it for somebody to look at."""

    type: Literal["PARK"] = "PARK"
    reason: Reason
    detail: str
    ticket_id: UUID | None = None
    suppress: Suppression | None = None
    came_back: CameBack | None = None


class Open(Frozen):
    """Open a ticket; with `follow_up_of` one that goes on where another ended, and the mail is its first comment."""

    type: Literal["OPEN"] = "OPEN"
    actor: Actor
    customer_email: str
    linked: tuple[UUID, ...] = ()
    automatic: bool = False
    follow_up_of: UUID | None = None


class Append(Frozen):
    """Say it on a ticket; `copy_in` joins the conversation first, `through` is the merged ticket that was answered."""

    type: Literal["APPEND"] = "APPEND"
    actor: Actor
    ticket_id: UUID
    through: UUID | None = None
    copy_in: str | None = None
    internal: bool = False
    status: Status | None = None
    automatic: bool = False
    skip_lines: int = 0


class Same(Frozen):
    """Do nothing: the same mail has been said there already, by another mailbox."""

    type: Literal["SAME"] = "SAME"
    ticket_id: UUID
    comment_id: UUID


AnyPlan = Park | Open | Append | Same
Plan = Annotated[AnyPlan, Field(discriminator="type")]
PLAN: TypeAdapter[AnyPlan] = TypeAdapter(Plan)
