"""What the API asks of processes: recorded answers, the last outcome, confirmation, and the auditor's questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.decisions import receipt
from db.tables.processes import processes
from db.tables.tickets import ticket_history
from domain.protocol import PendingEffect, Receipt, Snapshot

HISTORIES: Final = {"ticket": ticket_history}
"""The history table of each kind of process; a new kind adds itself here."""

RECORDED: Final = {
    kind: select(table).where(table.c.process_id == bindparam("process"), table.c.command_id == bindparam("command"))
    for kind, table in HISTORIES.items()
}
SINCE: Final = {
    kind: select(table.c.revision, table.c.snapshot, table.c.effects)
    .where(table.c.process_id == bindparam("process"), table.c.revision > bindparam("revision"))
    .order_by(table.c.revision)
    for kind, table in HISTORIES.items()
}
PROCESS: Final = select(processes).where(processes.c.id == bindparam("process"))

CONFIRM: Final = text("select confirm_processes(cast(:ids as uuid[]), cast(:revisions as integer[]))")
TRY_LOCK: Final = text("select pg_try_advisory_lock(:key)")
OVERDUE: Final = text("select * from auditor_overdue(:due, :most)")
UNCONFIRMED: Final = text("select * from auditor_unconfirmed(:before, :most)")
OPEN: Final = text("select * from auditor_open(:after, :before, :most)")
KNOWN: Final = text("select * from auditor_known(:workflow_ids)")


@dataclass(frozen=True)
class Standing:
    """How far Postgres has a process, with what a lost workflow needs to go on."""

    final: bool
    snapshot: Snapshot
    effects: tuple[PendingEffect, ...]


async def recorded(connection: AsyncConnection, kind: str, process: UUID, command: str) -> Receipt | None:
    """The answer that a command got, however long ago; None when it was never accepted."""
    found = await connection.execute(RECORDED[kind], {"process": process, "command": command})
    row = found.mappings().first()
    return receipt(process, dict(row)) if row else None


async def standing(connection: AsyncConnection, kind: str, process: UUID) -> Standing | None:
    """The last recorded outcome of a process and the effects that nobody is known to have started; None when there is none."""
    row = (await connection.execute(PROCESS, {"process": process})).mappings().first()
    if row is None:
        return None
    from_revision = min(row["confirmed_revision"], row["revision"] - 1)
    found = (await connection.execute(SINCE[kind], {"process": process, "revision": from_revision})).mappings().all()
    if not found:
        return None
    effects = [
        PendingEffect.model_validate(effect)
        for outcome in found
        if outcome["revision"] > row["confirmed_revision"]
        for effect in outcome["effects"]
    ]
    return Standing(row["final"], Snapshot.model_validate(found[-1]["snapshot"]), tuple(effects))


async def confirm(connection: AsyncConnection, answered: Mapping[UUID, int]) -> None:
    """Note that these revisions have been answered; rows that a decision holds are left to that decision."""
    await connection.execute(CONFIRM, {"ids": list(answered), "revisions": list(answered.values())})


async def overdue(connection: AsyncConnection, due: datetime, most: int) -> list[dict[str, Any]]:
    """Processes with a deadline armed for before `due`, the most overdue first."""
    return [dict(row) for row in (await connection.execute(OVERDUE, {"due": due, "most": most})).mappings()]


async def unconfirmed(connection: AsyncConnection, before: datetime, most: int) -> list[dict[str, Any]]:
    """Processes whose newest revision nobody has confirmed since `before`."""
    return [dict(row) for row in (await connection.execute(UNCONFIRMED, {"before": before, "most": most})).mappings()]


async def still_open(connection: AsyncConnection, after: UUID, before: datetime, most: int) -> list[dict[str, Any]]:
    """A page of the processes that are not final and have rested since `before`, by id."""
    return [
        dict(row)
        for row in (await connection.execute(OPEN, {"after": after, "before": before, "most": most})).mappings()
    ]


async def known(connection: AsyncConnection, workflow_ids: Sequence[str]) -> dict[str, Any]:
    """The rows of these workflows, by workflow id; what is missing has no row."""
    found = await connection.execute(KNOWN, {"workflow_ids": list(workflow_ids)})
    return {row["workflow_id"]: row for row in found.mappings()}
