"""The envelopes between API, durable shell and decision. Everything here crosses a process border as JSON."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import SerializeAsAny

from domain.identity import SYSTEM, Actor
from domain.process import Command, Deadline, Effect, Frozen

C = TypeVar("C", bound=Command)

WAKE_SIGNAL = "wake"
STATE_QUERY = "state"
CREATE_UPDATE = "create"

UNAVAILABLE = "Unavailable"
"""Failure type of an attempt that the database could not serve; the same command may be sent again."""
BUG = "Bug"
"""Failure type of an attempt that broke in our code; the process lives on."""
REFUSED = "Refused"
"""Failure type of a command that the rules turned down; its first detail is a `RefusalRecord`."""
DRAINING = "Draining"
"""Failure type of an update that came while the history rolls over; send it again."""
FOREIGN = "Foreign"
"""Failure type of a message from another tenant; to its sender the process does not exist."""


class Message(Frozen, Generic[C]):
    """A command on its way into a process.

    `command_id` identifies it for ever (a repeat gets the first answer); `fingerprint` is the hash of the request's body;
    `received_at` is the instant at which the API took it, aware UTC.
    """

    tenant_id: UUID
    command: SerializeAsAny[C]
    command_id: str
    fingerprint: str = ""
    actor: Actor = SYSTEM
    received_at: datetime | None = None


class RefusalRecord(Frozen):
    """A `Refusal` in transit."""

    type: str
    category: str
    detail: str
    extra: dict[str, Any] = {}


class PendingEffect(Frozen):
    """An effect with the id of the child workflow that carries it out, fixed by the decision that asked for it."""

    id: str
    effect: Effect


class Snapshot(Frozen):
    """All that a shell knows of its entity: what continues as new, what a history row records and what revives a lost workflow.

    `state` is the entity as its domain dumped it; only the decision reads it. `now` is the decision's instant: timers are
    measured from it, because workflow.now() can be stale by a whole timer after a take-over.
    """

    revision: int = 0
    state: dict[str, Any] | None = None
    deadlines: tuple[Deadline, ...] = ()
    wake_at: datetime | None = None
    wake_kind: str = ""
    now: datetime | None = None
    final: bool = False
    details: str = ""
    attributes: dict[str, str | bool] = {}


class Start(Frozen, Generic[C]):
    """A process workflow's argument: the creating message, or the snapshot to go on from with effects perhaps not yet started."""

    tenant_id: UUID
    process_id: UUID
    message: Message[C] | None = None
    snapshot: Snapshot | None = None
    effects: tuple[PendingEffect, ...] = ()


class Request(Frozen, Generic[C]):
    """One input handed to the decision, with the shell's own idea of the entity.

    `replayable` inputs (creation, timers, signals) stand in Temporal's history and come again by themselves after a crash;
    updates do not until they are answered, so their revision stays unconfirmed until the API or the next decision confirms it.
    """

    tenant_id: UUID
    process_id: UUID
    kind: str
    workflow_id: str
    snapshot: Snapshot
    command: SerializeAsAny[C]
    command_id: str
    fingerprint: str = ""
    actor: Actor = SYSTEM
    received_at: datetime | None = None
    now: datetime
    armed: datetime | None = None
    replayable: bool = False


class Outcome(Frozen):
    """What a decision answers to the shell: the snapshot to adopt, effects still to start, and the caller's receipt or refusal."""

    snapshot: Snapshot
    effects: tuple[PendingEffect, ...] = ()
    receipt: "Receipt | None" = None
    refusal: RefusalRecord | None = None


class Receipt(Frozen):
    """The recorded answer to one command; a repeat of the command gets it again, word for word."""

    process_id: UUID
    revision: int
    command_id: str
    fingerprint: str
    at: datetime
    state: dict[str, Any]
    deadlines: tuple[Deadline, ...] = ()
    answer: dict[str, Any] = {}


class Ended(Frozen):
    """A process workflow's result."""

    revision: int
    state: dict[str, Any]


Outcome.model_rebuild()
