"""What must hold in the database after any crash, asked from outside with a superuser's eyes."""

from collections import Counter
from typing import Final

from tests.chaos.desk import Call, Desk, Kind
from tests.chaos.findings import Finding
from tests.chaos.installation import Installation

LABELS: Final = {
    # A follow-up has the subject of the ticket that it follows.
    Kind.CREATE: """
        select subject as label, count(*) as n from support_tickets
        where subject = any(%s) and follow_up_of is null group by 1
    """,
    Kind.COMMENT: "select body as label, count(*) as n from ticket_comments where body = any(%s) group by 1",
    Kind.MERGE: """
        select payload->>'reason' as label, count(*) as n from ticket_history
        where command = 'merge' and payload->>'reason' = any(%s) group by 1
    """,
    Kind.CHANGE: """
        select payload->>'reason' as label, count(*) as n from ticket_history
        where command = 'change' and payload->>'reason' = any(%s) group by 1
    """,
}

GAPLESS: Final = """
select p.id, p.revision, p.confirmed_revision, count(h.*) as n, min(h.revision) as first, max(h.revision) as last,
       count(distinct h.command_id) as commands, count(*) filter (where h.command not in ('wake', 'absorb', 'assign')) as inputs
from processes p left join ticket_history h on h.process_id = p.id
where p.id = any(%s::uuid[]) group by p.id
"""

PROJECTED: Final = """
select p.id, t.status, h.snapshot->'state'->>'status' as recorded, t.version,
       (h.snapshot->'state'->>'version')::int as recorded_version,
       p.final, (h.snapshot->>'final')::boolean as recorded_final, t.next_deadline_at,
       (h.snapshot->>'wake_at')::timestamptz as wake_at,
       (select min(due_at) from deadlines d where d.process_id = p.id and d.state = 'ARMED'
          and d.kind not in ('ESCALATION', 'CREDIT')) as shown,
       (select min(due_at) from deadlines d where d.process_id = p.id and d.state = 'ARMED') as armed
from processes p join ticket_history h on h.process_id = p.id and h.revision = p.revision
left join support_tickets t on t.id = p.id
where p.id = any(%s::uuid[])
"""

RULED: Final = ("ESCALATION", "CREDIT")
"""Whom these tell is up to rules, under rungs of their own."""

FIRED: Final = """
select d.process_id, d.kind, d.cycle, d.due_at, d.settled_at,
       (select count(*) from notifications n where n.process_id = d.process_id and n.rung = d.kind || '/' || d.cycle
          and n.parent_id is null) as told,
       (select count(*) from ticket_history h
        join ticket_history b on b.process_id = h.process_id and b.revision = h.revision - 1
        where h.process_id = d.process_id
          and b.snapshot->'deadlines' @> jsonb_build_array(jsonb_build_object('kind', d.kind, 'cycle', d.cycle))
          and not h.snapshot->'deadlines' @> jsonb_build_array(jsonb_build_object('kind', d.kind, 'cycle', d.cycle))
       ) as ended
from deadlines d where d.state = 'FIRED' and d.process_id = any(%s::uuid[])
"""

UNFOUNDED: Final = """
select n.process_id, n.rung from notifications n
where n.process_id = any(%s::uuid[]) and n.rung similar to '(CUSTOMER_REMINDER|AUTO_RESOLVE|AUTO_CLOSE)/%%' and not exists (
  select from deadlines d where d.process_id = n.process_id and d.kind || '/' || d.cycle = n.rung and d.state = 'FIRED')
"""

OVERDUE: Final = """
select process_id, kind, due_at from deadlines
where state = 'ARMED' and due_at < now() - make_interval(secs => %s) and process_id = any(%s::uuid[])
"""


async def check_rows(desk: Desk, *, late_seconds: float = 30.0) -> list[Finding]:
    """Every promise about rows, over all calls of a desk; call it when all of them are settled."""
    installation = desk.installation
    tickets = sorted({call.ticket for call in desk.calls if call.ticket})
    return [
        await once_each(installation, desk.calls),
        await gapless(installation, desk.calls, tickets),
        await projected(installation, tickets),
        await fired_once(installation, tickets),
        await overdue(installation, tickets, late_seconds),
        answers(desk),
    ]


async def once_each(installation: Installation, calls: list[Call]) -> Finding:
    """Each accepted call stands there once, each refused one not at all."""
    finding = Finding("each accepted write is there once", len(calls))
    for kind, statement in LABELS.items():
        mine = [call for call in calls if call.kind is kind]
        rows = await installation.rows(statement, [call.label for call in mine])
        there = {row["label"]: row["n"] for row in rows}
        for call in mine:
            expected = 1 if call.accepted else 0
            if not call.settled:
                finding.violations.append(f"{call.label}: never answered in {call.tries} tries")
            elif there.get(call.label, 0) != expected:
                state = "accepted" if call.accepted else f"refused with {call.refused}"
                finding.violations.append(f"{call.label}: {state}, and there {there.get(call.label, 0)} times")
    repeated = sum(call.tries > 1 for call in calls)
    refused = Counter(call.refused for call in calls if call.refused)
    finding.note = f"{repeated} repeated, refused {dict(refused)}"
    return finding


async def gapless(installation: Installation, calls: list[Call], tickets: list[str]) -> Finding:
    """Revisions 1 to n without a gap, n that of the process, and as many inputs as were accepted."""
    finding = Finding("histories are gapless and count what was accepted", len(tickets))
    accepted = Counter(call.ticket for call in calls if call.accepted)
    rows = {str(row["id"]): row for row in await installation.rows(GAPLESS, tickets)}
    for ticket in tickets:
        row = rows.get(ticket)
        if row is None:
            finding.violations.append(f"{ticket}: has no process row")
        elif not row["first"] == 1 <= row["n"] == row["last"] == row["revision"] == row["commands"]:
            finding.violations.append(f"{ticket}: {row}")
        elif row["inputs"] != accepted[ticket]:
            finding.violations.append(f"{ticket}: {row['inputs']} inputs recorded, {accepted[ticket]} accepted")
        elif row["confirmed_revision"] != row["revision"]:
            finding.violations.append(f"{ticket}: confirmed up to {row['confirmed_revision']} of {row['revision']}")
    finding.note = f"{sum(row['revision'] for row in rows.values())} revisions"
    return finding


async def projected(installation: Installation, tickets: list[str]) -> Finding:
    """The ticket's row, its newest history row and its ledger say the same."""
    finding = Finding("projection, history and ledger agree", len(tickets))
    for row in await installation.rows(PROJECTED, tickets):
        same = (row["status"], row["version"], row["final"]) == (
            row["recorded"],
            row["recorded_version"],
            row["recorded_final"],
        )
        if not same or row["wake_at"] != row["armed"] or row["next_deadline_at"] != row["shown"]:
            finding.violations.append(str(dict(row)))
    return finding


async def fired_once(installation: Installation, tickets: list[str]) -> Finding:
    """Each fired deadline was settled at its own instant, ended in one revision at most, and told once."""
    rows = await installation.rows(FIRED, tickets)
    finding = Finding("each deadline fired once", len(rows), needed=False)
    finding.violations = [
        str(dict(row))
        for row in rows
        if (row["told"] != 1 and row["kind"] not in RULED) or row["ended"] > 1 or row["due_at"] != row["settled_at"]
    ]
    told = await installation.rows(UNFOUNDED, tickets)
    finding.violations += [f"told of {row['rung']} of {row['process_id']}, which never fired" for row in told]
    finding.note = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(row["kind"] for row in rows).items()))
    return finding


async def overdue(installation: Installation, tickets: list[str], seconds: float) -> Finding:
    """No armed deadline is overdue."""
    rows = await installation.rows(OVERDUE, seconds, tickets)
    late = [f"{row['kind']} of {row['process_id']} due {row['due_at']}" for row in rows]
    return Finding(f"no deadline is overdue by {seconds:.0f} s", len(tickets), late)


def answers(desk: Desk) -> Finding:
    """No answer was a bug's, and a repeat got the first answer again."""
    broken = [f"{call.label} was answered {call.broken}" for call in desk.calls if call.broken]
    tries = sum(call.tries for call in desk.calls)
    return Finding("answers are never 500, and repeats get the first one", tries, broken + desk.differing)
