"""The envelopes between API, durable shell and decision. Everything here crosses a process border as JSON."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import SerializeAsAny

from domain.identity import SYSTEM, Actor
from domain.process import Change, Command, Deadline, Effect, Frozen, Notice, Settlement

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
UNREPLAYABLE = "no worker can replay this run; its process goes on from its row"
"""Why a run was terminated, and by whom: only by the mending of such runs."""


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


class Record(Frozen):
    """What a decision wrote beside its snapshot. It stands in Temporal's history, so that a restored Postgres can be told again."""

    command_id: str
    fingerprint: str
    at: datetime
    answer: dict[str, Any] = {}
    changes: dict[str, Change] = {}
    settled: tuple[Settlement, ...] = ()
    notices: tuple[Notice, ...] = ()


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


class Outcome(Frozen):
    """What a decision answers to the shell: the snapshot to adopt, the effects still to start, and one of four ends.

    `record` says that the input was decided now, `repeat` that it had been decided before, `refusal` that the rules turned it down;
    none of them, that there was nothing to do. `adopted` holds the history rows that the shell had not heard of.
    """

    snapshot: Snapshot
    effects: tuple[PendingEffect, ...] = ()
    record: Record | None = None
    repeat: Receipt | None = None
    refusal: RefusalRecord | None = None
    adopted: tuple[dict[str, Any], ...] = ()

    @property
    def end(self) -> str:
        """Which of the four ends it was, in a word for logs."""
        return next((name for name in ("refusal", "repeat", "record") if getattr(self, name)), "nothing")

    def receipt(self, process_id: UUID) -> Receipt | None:
        """The caller's answer; None when the input was refused or had nothing to do."""
        if self.repeat or not self.record:
            return self.repeat
        record, snapshot = self.record, self.snapshot
        return Receipt(
            process_id=process_id,
            revision=snapshot.revision,
            command_id=record.command_id,
            fingerprint=record.fingerprint,
            at=record.at,
            state=snapshot.state or {},
            deadlines=snapshot.deadlines,
            answer=record.answer,
        )


class Ended(Frozen):
    """A process workflow's result."""

    revision: int
    state: dict[str, Any]
