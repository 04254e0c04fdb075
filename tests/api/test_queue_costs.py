"""What a look at a queue costs when very many wait for what nobody is able to do."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import ClientCursor

from db.routing import NEXT_WAITING, QUEUE, QUEUE_DRAINS
from db.statements import Statement
from runtime.settings import APP_ROLE
from tests.api.exempt import Rows

MANY, KINDS, MEMBERS = 600, 3, 4
FILL = """
insert into teams (id, tenant_id, name) values (%(team)s, %(tenant)s, 'T');
insert into users (tenant_id, email, name, role, skills)
    select %(tenant)s, n || '@queue.example', 'A', 'AGENT', '{de}' from generate_series(1, %(members)s) n;
insert into team_members (tenant_id, team_id, user_id)
    select %(tenant)s, %(team)s, id from users where email like '%%@queue.example';
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final, touched_at)
    select md5('queue' || n)::uuid, %(tenant)s, 'ticket', 'queue/' || n, 1, 1, false, now() from generate_series(1, %(many)s) n;
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority, severity,
    channel, sla_tier, tags, fields, reopens, created_at, updated_at, version, team_id, route)
    select md5('queue' || n)::uuid, %(tenant)s, 800000 + n, 'NEW', now(), 'c@shop.example', 'S', 'D', 'LOW', 'SEV4', 'API', 'BASIC',
        '{}', '{}', 0, now(), now(), 1, %(team)s,
        jsonb_build_object('method', 'LEAST_LOADED', 'rule_id', md5(n::text), 'skills', array['de', 'latin' || n %% %(kinds)s])
    from generate_series(1, %(many)s) n;
"""


@pytest.fixture
def team(rows: Rows) -> Iterator[UUID]:
    """Many wait in its queue for what none of its members can do; seen as the application sees its tenant."""
    team = uuid4()
    values = {"team": team, "tenant": rows.mine, "many": MANY, "kinds": KINDS, "members": MEMBERS}
    with ClientCursor(rows.connection) as cursor:
        cursor.execute(FILL, values)
    rows.connection.execute(f"set local role {APP_ROLE}")
    rows.connection.execute("select set_config('summit.tenant', %s, true)", (str(rows.mine),))
    yield team
    rows.connection.execute("reset role")


def turns(node: dict[str, Any]) -> Iterator[int]:
    """How often the words of an array, a ticket's or a member's, were looked at."""
    if node["Node Type"] == "Function Scan":
        yield node["Actual Loops"]
    for each in node.get("Plans", ()):
        yield from turns(each)


@pytest.mark.parametrize("statement", [QUEUE, QUEUE_DRAINS, Statement(NEXT_WAITING)], ids=["queue", "drain", "next"])
def test_members_are_compared_with_each_kind_of_wait_once(rows: Rows, team: UUID, statement: Statement) -> None:
    values = {"team": team, "joins": True, "agent": None, "teams": [team], "tenant_id": rows.mine, "author": "{}"}
    values |= {"after_at": None, "after_id": None, "count": 25}
    found = rows.connection.execute(f"explain (analyze, format json) {statement.text}".encode(), values).fetchone()
    assert found
    [plan] = found[0] if isinstance(found[0], list) else json.loads(found[0])
    assert max(turns(plan["Plan"])) <= MEMBERS * KINDS
