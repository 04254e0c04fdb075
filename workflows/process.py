"""The durable shell of every process: one input at a time, one local activity per decision, one timer for what is due next."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from domain.identity import SYSTEM
    from domain.ids import wake_id
    from domain.process import Command, Wake
    from domain.protocol import (
        BUG,
        DRAINING,
        FOREIGN,
        REFUSED,
        STATE_QUERY,
        UNAVAILABLE,
        WAKE_SIGNAL,
        Ended,
        Message,
        Outcome,
        PendingEffect,
        Receipt,
        RefusalRecord,
        Request,
        Snapshot,
        Start,
    )
    from workflows.timing import EFFECT_OPTIONS, ROLL_OVER_ATTEMPTS, TIMER_ATTEMPT, UPDATE_ATTEMPT, back_off

KEYWORDS: dict[str, SearchAttributeKey[Any]] = {
    name: SearchAttributeKey.for_keyword(name) for name in ("SupStatus", "SupSeverity", "SupTier", "SupAssignee")
}
FLAGS: dict[str, SearchAttributeKey[Any]] = {name: SearchAttributeKey.for_bool(name) for name in ("SupBreached",)}


class Stirred(Enum):
    """What ended a sleep."""

    BY_TIMER = auto()
    BY_POKE = auto()
    OTHERWISE = auto()


class Process:
    """A process workflow without its messages; a subclass adds typed updates, `run` and the name of its deciding activity.

    The shell knows no rules: it carries the last recorded snapshot, hands every input to the decision, adopts the outcome and
    sleeps until `wake_at`. docs/add-a-process.md lists what a new kind brings; docs/decisions/001-decisions-are-recorded.md says
    why it is so.
    """

    kind: ClassVar[str]
    decision: ClassVar[Callable[..., Awaitable[Outcome]]]

    def __init__(self, start: Start[Any]) -> None:
        self._start = start
        self._snapshot = start.snapshot or Snapshot()
        self._lock = asyncio.Lock()
        self._draining = False
        self._poked = False
        self._attempts = 0
        self._created: Receipt | None = None
        self._failure: ApplicationError | None = None
        self._effects: list[asyncio.Task[None]] = []
        self._attributes = attributes_at_start()

    async def live(self) -> Ended:
        """The whole life: create or resume, then wait and wake until the entity is final; roll over when the history grows long."""
        if self._snapshot.revision == 0:
            await self._create()
        self._begin(self._start.effects)
        self._show()
        while not self._snapshot.final:
            if self._history_is_long():
                await self._roll_over()
                continue
            stirred = await self._wait()
            if stirred is not Stirred.OTHERWISE:
                await self._wake(fired=stirred is Stirred.BY_TIMER)
        await asyncio.gather(*self._effects)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return Ended(revision=self._snapshot.revision, state=self._snapshot.state or {})

    async def handle(self, message: Message[Any]) -> Receipt:
        """Decide an update; raises ApplicationError of type Refused, Unavailable or Bug, which fails the update and nothing else."""
        await workflow.wait_condition(lambda: self._snapshot.revision > 0 or self._failure is not None)
        if self._failure:
            raise self._failure
        outcome = await self._decide(message.command, message.command_id, UPDATE_ATTEMPT, message=message)
        if outcome.refusal:
            raise refused(outcome.refusal)
        receipt = outcome.receipt(self._start.process_id)
        if receipt is None:
            raise ApplicationError("A decision gave no answer.", type=BUG, non_retryable=True)
        return receipt

    async def created(self) -> Receipt:
        """The outcome of the creating command, for the `create` update, which may come long after it."""
        await workflow.wait_condition(
            lambda: self._created is not None or self._failure is not None or self._snapshot.revision > 0
        )
        if self._failure:
            raise self._failure
        if self._created:
            return self._created
        # Resumed or revived: the creating outcome stands in the history table, under its command id.
        raise ApplicationError("The creation was answered in an earlier run.", type=UNAVAILABLE, non_retryable=True)

    def admit(self, message: Message[Any]) -> None:
        """What every update's validator asks: that the sender's tenant is ours, and that we are not rolling over."""
        if message.tenant_id != self._start.tenant_id:
            raise ApplicationError("There is no such process.", type=FOREIGN, non_retryable=True)
        if self._draining:
            raise ApplicationError("The history is rolling over.", type=DRAINING, non_retryable=True)

    @workflow.signal(name=WAKE_SIGNAL)
    def wake(self) -> None:
        """Decide now: the auditor found something overdue or unconfirmed, or what deadlines are derived from was edited."""
        self._poked = True

    @workflow.query(name=STATE_QUERY)
    def state(self) -> Snapshot:
        """The entity as the last decision left it."""
        return self._snapshot

    async def _create(self) -> None:
        message = self._start.message
        if message is None:
            raise ApplicationError("Neither a creating message nor a snapshot was given.", non_retryable=True)
        for attempts in itertools.count():
            try:
                outcome = await self._decide(
                    message.command, message.command_id, TIMER_ATTEMPT, message=message, replayable=True
                )
                break
            except ApplicationError as failure:
                if failure.type == BUG or self._history_is_long():
                    self._failure = failure
                    await workflow.wait_condition(workflow.all_handlers_finished)
                if failure.type == BUG:
                    raise
                if self._failure:
                    workflow.continue_as_new(self._start)
            await workflow.sleep(back_off(attempts), summary="creation failed, will try again")
        if outcome.refusal:
            # The waiting `create` update is told why before the run fails; a failed run's id may be used again.
            self._failure = refused(outcome.refusal)
            await workflow.wait_condition(workflow.all_handlers_finished)
            raise self._failure
        self._created = outcome.receipt(self._start.process_id)

    async def _wait(self) -> "Stirred":
        """Sleep until the armed deadline, a poke, or until something else needs the loop.

        A fired timer is acted upon without asking the clock again: workflow.now() can be stale by the whole timer on a worker
        that has just taken over, and a comparison would arm the timer again and break every replay.
        """
        armed = self._snapshot.wake_at

        def stirred() -> bool:
            return self._poked or self._snapshot.final or self._snapshot.wake_at != armed or self._history_is_long()

        try:
            await workflow.wait_condition(stirred, timeout=self._until(armed), timeout_summary=self._snapshot.wake_kind)
        except TimeoutError:
            return Stirred.BY_TIMER
        return Stirred.BY_POKE if self._poked else Stirred.OTHERWISE

    def _until(self, due: datetime | None) -> timedelta | None:
        if due is None:
            return None
        now = max(instant for instant in (workflow.now(), self._snapshot.now) if instant)
        return max(timedelta(milliseconds=1), due - now)

    async def _wake(self, *, fired: bool) -> None:
        """Decide what is due; while Postgres is away, back off and try again. Only a fired timer proves its deadline reached."""
        self._poked = False
        armed = self._snapshot.wake_at if fired else None
        for attempts in itertools.count():
            try:
                await self._decide(Wake(), None, TIMER_ATTEMPT, armed=armed, replayable=True)
            except ApplicationError:
                # Whatever it was, the promise stands: the same input is decided again after a pause.
                if self._history_is_long():
                    self._poked = True
                    return
                await workflow.sleep(back_off(attempts), summary="decision failed, will try again")
            else:
                break
        if armed and armed == self._snapshot.wake_at and self._snapshot.now and armed <= self._snapshot.now:
            # A rule left a deadline standing that is due. That is a bug, and must not become a busy loop.
            workflow.logger.error("deadline_left_standing", extra={"deadline": self._snapshot.wake_kind})
            await workflow.sleep(back_off(5), summary="a due deadline was left standing")

    async def _decide(
        self,
        command: Command,
        command_id: str | None,
        attempt: dict[str, Any],
        *,
        message: Message[Any] | None = None,
        armed: datetime | None = None,
        replayable: bool = False,
    ) -> Outcome:
        """Persist first, then adopt; one input at a time."""
        async with self._lock:
            self._attempts += 1
            info = workflow.info()
            request = Request[Any](
                tenant_id=self._start.tenant_id,
                process_id=self._start.process_id,
                kind=self.kind,
                workflow_id=info.workflow_id,
                snapshot=self._snapshot,
                command=command,
                command_id=command_id or wake_id(self._snapshot.revision),
                fingerprint=message.fingerprint if message else "",
                actor=message.actor if message else SYSTEM,
                received_at=message.received_at if message else None,
                now=workflow.now(),
                armed=armed if armed and armed == self._snapshot.wake_at else None,
                replayable=replayable,
            )
            try:
                outcome: Outcome = await workflow.execute_local_activity_method(
                    type(self).decision, request, summary=command.type, **attempt
                )
            except FailureError as error:
                # An attempt that timed out comes as an ActivityError when it happens and as a bare TimeoutError when it is
                # replayed; catching only the first would fail the workflow on another worker.
                cause = error.cause if isinstance(error, ActivityError) else error
                bug = isinstance(cause, ApplicationError) and cause.type == BUG
                kind = BUG if bug else UNAVAILABLE
                raise ApplicationError(str(cause or error), type=kind, non_retryable=True) from error
            self._adopt(outcome)
            return outcome

    def _adopt(self, outcome: Outcome) -> None:
        self._snapshot = outcome.snapshot
        self._begin(outcome.effects)
        self._show()

    def _begin(self, effects: Iterable[PendingEffect]) -> None:
        self._effects.extend(asyncio.create_task(self._carry_out(effect)) for effect in effects)

    async def _carry_out(self, pending: PendingEffect) -> None:
        """Start an effect as a child of its own life; its fixed id makes a second start a no-op."""
        try:
            await workflow.start_child_workflow(
                pending.effect.workflow, pending.effect.argument, id=pending.id, **EFFECT_OPTIONS
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("effect already started", extra={"effect": pending.id})

    def _show(self) -> None:
        """Tell operators where the entity stands: details in the Temporal UI, and search attributes that have moved."""
        workflow.set_current_details(self._snapshot.details)
        now, before = self._snapshot.attributes, self._attributes
        moved = {name: now.get(name) for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        if moved and self._snapshot.revision:
            workflow.upsert_search_attributes([changed(name, moved[name]) for name in sorted(moved)])
            self._attributes = dict(now)

    def _history_is_long(self) -> bool:
        """Counted here: after a query the history length that the SDK reports can be another one in a replay (decisions/004)."""
        return self._attempts >= ROLL_OVER_ATTEMPTS

    async def _roll_over(self) -> None:
        """Continue as new with the snapshot, once every accepted update is answered and every effect started."""
        self._draining = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        await asyncio.gather(*self._effects)
        if not self._snapshot.final:
            workflow.continue_as_new(
                Start[Any](tenant_id=self._start.tenant_id, process_id=self._start.process_id, snapshot=self._snapshot)
            )


def refused(record: RefusalRecord) -> ApplicationError:
    """A refusal as the failure of an update."""
    return ApplicationError(record.detail, record, type=REFUSED, non_retryable=True)


def attributes_at_start() -> dict[str, str | bool]:
    """The search attributes that the run was started with: what its starter could foresee need not be said again."""
    given = workflow.info().typed_search_attributes
    found = {name: given.get(key) for name, key in (KEYWORDS | FLAGS).items()}
    return {name: value for name, value in found.items() if value is not None}


def changed(name: str, value: str | bool | None) -> SearchAttributeUpdate[Any]:
    """The change of one search attribute; None takes it away."""
    key: SearchAttributeKey[Any] = FLAGS[name] if name in FLAGS else KEYWORDS[name]
    return key.value_unset() if value is None else key.value_set(value)
