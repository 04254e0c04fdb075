"""What a restoration asks of Postgres: how far each process is, and that ticket numbers go on where they were."""

from typing import Final

from sqlalchemy import bindparam, literal_column, select, text

from db.processes import HISTORIES
from db.statements import Statement
from db.tables.processes import processes

HAS_PROCESS: Final = Statement(select(processes.c.id).where(processes.c.id == bindparam("process")).with_for_update())

LAST_SNAPSHOT: Final = {
    kind: Statement(
        select(table.c.snapshot)
        .where(table.c.process_id == bindparam("process"))
        .order_by(table.c.revision.desc())
        .limit(literal_column("1"))
    )
    for kind, table in HISTORIES.items()
}

TENANTS: Final = Statement(text("select id from tenants"))

NUMBERS: Final = Statement(
    text("""
select setval(format('ticket_numbers.%I', cast(:tenant as uuid))::regclass, greatest(
  (select coalesce(max(number), 1000) from support_tickets where tenant_id = :tenant),
  coalesce(pg_sequence_last_value(format('ticket_numbers.%I', cast(:tenant as uuid))::regclass), 1000)))
""")
)
"""Takes the owner's rights: restored tickets may have numbers that the restored sequence would give out again."""
