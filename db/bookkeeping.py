"""What the core writes for every decision: process, history, ledger and outbox, as one statement; and what it looks up before."""

from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, or_, select, text

from db.statements import Statement
from domain.ids import derived_id
from domain.process import Decision
from domain.protocol import Request, Snapshot

ADD_PROCESS = """
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final)
values (:process_id, :tenant_id, :kind, :workflow_id, :revision, :confirmed, :final)"""

MOVE_PROCESS = """
update processes set revision = :revision, confirmed_revision = greatest(confirmed_revision, :confirmed), final = :final,
    touched_at = clock_timestamp()
where id = :process_id"""

KEEP_LEDGER = """
insert into deadlines (tenant_id, process, process_id, kind, cycle, due_at, owner_id, state, settled_at)
select :tenant_id, :kind, :process_id, r.kind, r.cycle, r.due_at, r.owner_id, r.state, r.settled_at
from jsonb_to_recordset(cast(:ledger as jsonb))
  as r(kind text, cycle int, due_at timestamptz, owner_id uuid, state text, settled_at timestamptz)
on conflict (process_id, kind, cycle) do update
set due_at = case when deadlines.state = 'MISSED' then deadlines.due_at else excluded.due_at end,
    owner_id = case when deadlines.state = 'MISSED' then deadlines.owner_id else excluded.owner_id end,
    state = excluded.state, settled_at = excluded.settled_at
where deadlines.state in ('ARMED', 'PAUSED', 'MET', 'CANCELLED') or (deadlines.state = 'MISSED' and excluded.state = 'MET')"""
# What was kept or taken back may be promised anew (a ticket reopened, a pause that ends); what has fired or was missed stays, but
# for a miss that turned out to be none: when it was due, and who owed it, is no longer known to the process then.

POST_NOTICES = """
insert into notifications (id, tenant_id, process_id, revision, rung, template, recipient, channel, payload)
select r.id, :tenant_id, :process_id, :revision, r.rung, r.template, r.recipient, r.channel, r.payload
from jsonb_to_recordset(cast(:notices as jsonb))
  as r(id uuid, rung text, template text, recipient text, channel text, payload jsonb)"""

POST_EVENTS = """
insert into events (tenant_id, type, entity, entity_id, version, at, internal, account_id, address, payload)
select :tenant_id, r.type, :kind, :process_id, r.version, :at, r.internal, r.account_id, lower(r.address), r.payload
from jsonb_to_recordset(cast(:events as jsonb))
  as r(type text, version int, internal bool, account_id uuid, address text, payload jsonb)"""

ADD_HISTORY = """
insert into {history} (process_id, revision, tenant_id, command, command_id, fingerprint, at, decided_at,
    payload, actor, changes, snapshot, effects, answer)
values (:process_id, :revision, :tenant_id, :command, :command_id, :fingerprint, :at, :decided_at,
    cast(:payload as jsonb), cast(:actor as jsonb), cast(:changes as jsonb), cast(:snapshot as jsonb),
    cast(:effects as jsonb), cast(:answer as jsonb))"""


def bookkeeping(process: str, history: str, *more: str) -> Statement:
    """What the core writes for a decision, as one statement."""
    return Statement(*(text(part) for part in (process, *more, ADD_HISTORY.format(history=history))))


class History:
    """The statements of one kind's history table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.recorded = Statement(
            select(table)
            .where(
                table.c.process_id == bindparam("process"),
                or_(table.c.command_id == bindparam("command"), table.c.revision > bindparam("revision")),
            )
            .order_by(table.c.revision)
        )
        self.add = bookkeeping(ADD_PROCESS, table.name, KEEP_LEDGER, POST_NOTICES, POST_EVENTS)
        self.move = bookkeeping(MOVE_PROCESS, table.name, POST_EVENTS)
        self.move_and_more = bookkeeping(MOVE_PROCESS, table.name, KEEP_LEDGER, POST_NOTICES, POST_EVENTS)


def ledger_rows(before: Snapshot, decision: Decision[Any], at: datetime) -> list[dict[str, Any]]:
    """The ledger rows that a decision writes: promises new or moved, those settled, and as CANCELLED those that are simply gone."""
    old = {(d.kind, d.cycle): d for d in before.deadlines}
    new = {(d.kind, d.cycle): d for d in decision.deadlines}
    ended = {(s.kind, s.cycle): s for s in decision.settled}
    rows = [
        {
            "kind": d.kind,
            "cycle": d.cycle,
            "due_at": d.due_at,
            "owner_id": d.owner_id,
            "state": d.state,
            "settled_at": None,
        }
        for key, d in new.items()
        if old.get(key) != d
    ]
    for key in [*ended, *(key for key in old if key not in ended and key not in new)]:
        was, end = old.get(key), ended.get(key)
        settled_at = end.settled_at if end else at
        rows.append(
            {
                "kind": key[0],
                "cycle": key[1],
                "due_at": was.due_at if was else settled_at,
                "owner_id": was.owner_id if was else None,
                "state": end.state if end else "CANCELLED",
                "settled_at": settled_at,
            }
        )
    return rows


def notice_rows(request: Request[Any], revision: int, decision: Decision[Any]) -> list[dict[str, Any]]:
    """The outbox rows of a decision; ids are derived, so a repeat would be refused by the primary key rather than sent twice."""
    rows = []
    for notice in decision.notices:
        rung = notice.rung or str(revision)
        rows.append(
            {
                "id": derived_id(request.process_id, rung, notice.template, notice.recipient, notice.channel),
                "rung": rung,
                "template": notice.template,
                "recipient": notice.recipient,
                "channel": notice.channel,
                "payload": notice.payload,
            }
        )
    return rows
