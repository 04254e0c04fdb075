"""Tells a restored Postgres again what Temporal's histories hold: the inputs of processes and their recorded outcomes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from psycopg_pool import AsyncConnectionPool
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from activities.decisions import Area
from db.decisions import SET_TENANT, Connection, OpenDecision
from db.restore import HAS_PROCESS, LAST_SNAPSHOT
from domain.identity import SYSTEM
from domain.process import Decision, Wake
from domain.protocol import Message, Outcome, Record, Request, Snapshot

log = structlog.get_logger(__name__)

LOCAL_ACTIVITY_MARKER = "core_local_activity"


@dataclass
class Told:
    """What the histories of one process say: its messages by command id, and its outcomes in order."""

    tenant_id: UUID | None = None
    process_id: UUID | None = None
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


async def read(client: Client, workflow_id: str, run_ids: list[str]) -> Told:
    """Read all runs of a workflow, the oldest first; what retention has dropped was in the backup."""
    told = Told()
    for run_id in run_ids:
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
            async for part in _parts(client, event):
                _take(told, part)
    return told


async def _parts(client: Client, event: HistoryEvent) -> AsyncIterator[Any]:
    """The start argument, the messages and the outcomes in one event, decoded."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        yield "start", await _decoded(client, event.workflow_execution_started_event_attributes.input, dict)
    elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
        arguments = event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args
        if arguments.payloads:
            yield "message", await _decoded(client, arguments, dict)
    elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
        marker = event.marker_recorded_event_attributes
        if marker.marker_name == LOCAL_ACTIVITY_MARKER and "result" in marker.details:
            yield "outcome", await _decoded(client, marker.details["result"], Outcome)


async def _decoded(client: Client, payloads: Payloads, kind: type) -> Any:
    return (await client.data_converter.decode(payloads.payloads, [kind]))[0]


def _take(told: Told, part: tuple[str, Any]) -> None:
    kind, value = part
    if kind == "start":
        told.tenant_id, told.process_id = UUID(value["tenant_id"]), UUID(value["process_id"])
        if value.get("message"):
            told.messages[value["message"]["command_id"]] = value["message"]
    elif kind == "message":
        told.messages[value["command_id"]] = value
    elif value.record or value.adopted:
        told.outcomes.append(value)


async def restore(pool: AsyncConnectionPool[Connection], area: Area[Any], workflow_id: str, told: Told) -> int:
    """Write every decision that Postgres lacks, with its projection, ledger and outbox rows, in one transaction.

    Returns how many there were. Safe to repeat: what is there is left alone.
    """
    if told.tenant_id is None or told.process_id is None:
        return 0
    async with pool.connection() as connection:
        await connection.execute(SET_TENANT.text, {"tenant": str(told.tenant_id)})
        known = await (await connection.execute(HAS_PROCESS.text, {"process": told.process_id})).fetchone()
        last = await (await connection.execute(LAST_SNAPSHOT[area.kind].text, {"process": told.process_id})).fetchone()
        snapshot = Snapshot.model_validate(last["snapshot"]) if last else Snapshot()
        count = 0
        for outcome, record, message in _missing(area, told, snapshot.revision):
            if outcome.revision != snapshot.revision + 1:
                log.error("history_has_a_gap", workflow_id=workflow_id, at=snapshot.revision)
                break
            await _redo(connection, area, workflow_id, told, snapshot, outcome, record, message, fresh=known is None)
            snapshot, known, count = outcome, {"id": told.process_id}, count + 1
        return count


def _missing(area: Area[Any], told: Told, after: int) -> list[tuple[Snapshot, Record, Message[Any] | None]]:
    """The decisions after a revision, in order: adopted rows first, then the outcome that adopted them."""
    found: dict[int, tuple[Snapshot, Record, Message[Any] | None]] = {}
    for outcome in told.outcomes:
        for row in outcome.adopted:
            snapshot = Snapshot.model_validate(row["snapshot"])
            record = Record.model_validate({name: row[name] for name in Record.model_fields if name in row})
            message = {"command": row["payload"], "actor": row["actor"], "tenant_id": row["tenant_id"]}
            found.setdefault(snapshot.revision, (snapshot, record, _message(area, row["command_id"], message)))
        if outcome.record:
            given = told.messages.get(outcome.record.command_id)
            message_of = _message(area, outcome.record.command_id, given) if given else None
            found[outcome.snapshot.revision] = (outcome.snapshot, outcome.record, message_of)
    return [found[revision] for revision in sorted(found) if revision > after]


def _message(area: Area[Any], command_id: str, given: Mapping[str, Any]) -> Message[Any]:
    command = area.commands.validate_python(given["command"])
    return Message[Any].model_validate({**given, "command_id": command_id, "command": command})


async def _redo(
    connection: Connection,
    area: Area[Any],
    workflow_id: str,
    told: Told,
    before: Snapshot,
    after: Snapshot,
    record: Record,
    message: Message[Any] | None,
    *,
    fresh: bool,
) -> None:
    """Record one decision as it was recorded then."""
    if told.tenant_id is None or told.process_id is None or after.now is None:
        raise ValueError("histories of a process name its tenant, its id and the instant of each decision")
    request = Request[Any](
        tenant_id=told.tenant_id,
        process_id=told.process_id,
        kind=area.kind,
        workflow_id=workflow_id,
        snapshot=before,
        command=message.command if message else Wake(),
        command_id=record.command_id,
        fingerprint=record.fingerprint,
        actor=message.actor if message else SYSTEM,
        now=after.now,
        replayable=True,
    )
    opened = OpenDecision(
        connection, area.history, request, before, now=after.now, at=record.at, fresh=fresh, confirmed=before.revision
    )
    decision = Decision[Any](
        state=area.state.model_validate(after.state),
        deadlines=after.deadlines,
        settled=record.settled,
        changes=record.changes,
        notices=record.notices,
        final=after.final,
        answer=record.answer,
        details=after.details,
        attributes=after.attributes,
    )
    await opened.record(decision, area.project(opened, decision))
