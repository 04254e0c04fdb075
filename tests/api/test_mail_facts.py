"""What is read of the desk to judge a mail is found by indexes, although row-level security is in force."""

import re
import uuid
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause

from db.mail_facts import REFERRED, WHO
from db.statements import DIALECT
from db.tickets.relations import COLLEAGUES_AT
from tests.api.exempt import Rows

CROWD = """
insert into users (tenant_id, name, email, role)
select %s, 'N', n || '@crowd.example', 'CUSTOMER' from generate_series(1, 5000) n
"""
NOTICE = """
insert into notifications (id, tenant_id, rung, template, recipient, channel, payload)
select %s, tenant_id, 'r', 'x', id::text, 'EMAIL', '{}' from users where tenant_id = %s limit 1
"""


def seen(rows: Rows, tenant: UUID, query: TextClause, *values: Any, explain: bool = False) -> list[tuple[Any, ...]]:
    """What the application gets, with values in the order in which they are named; or how it gets it."""
    compiled = query.compile(dialect=DIALECT)
    text = ("explain " if explain else "") + str(compiled)
    for name in compiled.params:
        text = text.replace(f"%({name})s", "%s")
    return rows.seen(text, *values, tenant=tenant)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (WHO, ["shop.example", "casey@shop.example", uuid.uuid4()]),
        (REFERRED, [[uuid.uuid4()], ["a@b.example"], uuid.uuid4()]),
        (COLLEAGUES_AT, [["casey@shop.example"]]),
    ],
    ids=["who wrote it", "what it refers to", "who is copied in"],
)
async def test_people_are_found_without_reading_them_all(rows: Rows, query: TextClause, values: list[Any]) -> None:
    rows.connection.execute(CROWD, (rows.mine,))
    rows.connection.execute("analyze users")
    plan = "\n".join(row[0] for row in seen(rows, rows.mine, query, *values, explain=True))
    assert re.search(r"Index Scan using \w+ on users u .*\n\s*Index Cond: .*\bid = ", plan), plan


async def test_a_notice_to_a_person_names_their_address_in_their_own_tenant_only(rows: Rows) -> None:
    notice, values = uuid.uuid4(), ([], uuid.uuid4())
    rows.connection.execute(NOTICE, (notice, rows.mine))
    [found] = seen(rows, rows.mine, REFERRED, [notice], *values)
    assert (found[0], found[1], "@" in found[4]) == ("NOTICE", notice, True)
    assert seen(rows, rows.others, REFERRED, [notice], *values) == []
