"""The words every durable process shares: commands, deadlines, notices, refusals and the decision a rule hands back."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue, SerializerFunctionWrapHandler, model_serializer


class Frozen(BaseModel):
    """A value: immutable, and closed to fields that it does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Command(Frozen):
    """What somebody asks of a process; each kind names itself in `type`.

    Only the fields that were set travel, so that a patch can tell "set to nothing" from "left alone" on the other side.
    """

    type: str

    @model_serializer(mode="wrap")
    def _only_what_was_set(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = self.model_fields_set | {"type"}
        return {name: value for name, value in serialise(self).items() if name in given}


class Wake(Command):
    """Handle what is due by now and derive the deadlines again from today's policy. Writes nothing when nothing changes."""

    type: Literal["wake"] = "wake"


class DeadlineState(StrEnum):
    """Where a promise stands in the ledger. The last four are final."""

    ARMED = "ARMED"
    PAUSED = "PAUSED"
    MET = "MET"
    MISSED = "MISSED"
    FIRED = "FIRED"
    CANCELLED = "CANCELLED"


class Deadline(Frozen):
    """A promise still open: `cycle` counts its repetitions within one process; `due_at` is an aware UTC instant."""

    kind: str
    cycle: int = 1
    due_at: datetime
    owner_id: UUID | None = None
    state: Literal[DeadlineState.ARMED, DeadlineState.PAUSED] = DeadlineState.ARMED


class Settlement(Frozen):
    """How a promise ended, and the instant at which it did (never the instant at which that was noticed)."""

    kind: str
    cycle: int = 1
    state: Literal[DeadlineState.MET, DeadlineState.MISSED, DeadlineState.FIRED, DeadlineState.CANCELLED]
    settled_at: datetime


class Channel(StrEnum):
    """How a notice travels."""

    EMAIL = "EMAIL"
    IN_APP = "IN_APP"
    WEBHOOK = "WEBHOOK"
    SLACK = "SLACK"
    PREFERRED = "PREFERRED"


class Notice(Frozen):
    """A message to one recipient (a user id or an address), told once per (process, rung or revision, recipient, channel)."""

    template: str
    recipient: str
    channel: Channel = Channel.EMAIL
    rung: str | None = None
    payload: dict[str, JsonValue] = {}


class Announcement(Frozen):
    """What listeners are told of a decision (`GET /api/events`, webhooks): `type` such as `ticket.updated`, and who may know.

    `internal` ones are for the staff; others also for the people of the account and for the customer with the address.
    """

    type: str
    version: int
    internal: bool = True
    account_id: UUID | None = None
    address: str | None = None
    payload: dict[str, JsonValue] = {}


class Effect(Frozen):
    """Work outside the database that a decision starts: the name of a workflow type and its argument."""

    workflow: str
    argument: dict[str, JsonValue] = {}


class Change(Frozen):
    """One field's value before and after a decision."""

    before: JsonValue = None
    after: JsonValue = None


S = TypeVar("S", bound=BaseModel)


class Decision(Frozen, Generic[S]):
    """What one command does to a process: the new state, the promises still open, and all that must be written with them.

    `answer` holds what the caller is told beyond the state; `details` is Markdown for operators; `attributes` are search
    attributes (ids and enums only, they are stored in clear).
    """

    state: S
    deadlines: tuple[Deadline, ...] = ()
    settled: tuple[Settlement, ...] = ()
    changes: dict[str, Change] = {}
    notices: tuple[Notice, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    effects: tuple[Effect, ...] = ()
    final: bool = False
    answer: dict[str, Any] = {}
    details: str = ""
    attributes: dict[str, str | bool] = {}


class Refusal(Exception):
    """A command that the rules turn down. Nothing has changed. `extra` carries what the caller needs to do better."""

    category: ClassVar[str] = "conflict"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class NotFound(Refusal):
    """There is no such thing, or none that the caller may know of."""

    category = "not_found"


class Forbidden(Refusal):
    """The caller is known, and may not do this."""

    category = "forbidden"


class Conflict(Refusal):
    """The thing is in a state that does not allow this."""

    category = "conflict"


class Stale(Refusal):
    """The caller's copy is out of date (If-Match)."""

    category = "stale"

    def __init__(self, detail: str = "The resource has changed since you read it.", **extra: Any) -> None:
        super().__init__(detail, **extra)


class Invalid(Refusal):
    """A field's value cannot be accepted in this context. `errors` lists each bad field with its JSON pointer."""

    category = "invalid"

    def __init__(self, detail: str, errors: list[dict[str, str]] | None = None, **extra: Any) -> None:
        super().__init__(detail, errors=errors or [], **extra)


class KeyReused(Refusal):
    """An Idempotency-Key that was used before, with another body."""

    category = "invalid"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used before with another request body.", errors=[])
