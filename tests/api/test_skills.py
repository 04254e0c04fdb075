"""Who can take what: the database, which looks for it in queues, and the domain, which gives tickets away, agree."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from api.schemas.identity import ChangeUser
from api.schemas.routing import ChangeRoutingRule
from db.routing import QUEUE
from domain.tickets.routing import Queue, Rule, choose, route_of
from tests.api.exempt import Rows

NASTY = (
    "Straße",
    "STRASSE",
    "ΌΔΟΣ",
    "όδος",
    "ΟΔΟΣ",
    "İzmir",
    "izmir",
    "ızmir",
    "ﬃ",
    "FFI",
    "ŉ",
    "ᏣᎳᎩ",
    "ꮳꮃꭹ",
    "K",
    "k",
    "Ǆ",
    "ǆ",
)
"""Letters whose case is not one of two."""
CASES = (str, str.upper, str.lower, str.title, str.swapcase, str.casefold)

word = st.one_of(
    st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)
)
spelt = st.tuples(word.filter(str.strip), st.sampled_from(CASES)).map(lambda pair: pair[1](pair[0])[:64])
skills = st.lists(spelt.filter(str.strip), max_size=3)


@dataclass
class Line:
    """A team of one agent in whose queue one ticket waits."""

    rows: Rows
    team: UUID
    agent: UUID

    def agrees(self, needed: list[str], able: list[str], *, declined: bool) -> bool:
        """Whether the ticket is one that the agent can take, as both have it."""
        connection = self.rows.connection
        rule = Rule(id=uuid4(), name="r", team_id=self.team, skills=tuple(ChangeRoutingRule(skills=needed).skills))
        route = route_of(rule).model_copy(update={"declined_by": (self.agent,) if declined else ()})
        connection.execute(
            "update support_tickets set route = %s where team_id = %s", (route.model_dump_json(), self.team)
        )
        connection.execute("update users set skills = %s where id = %s", (ChangeUser(skills=able).skills, self.agent))
        with connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(QUEUE.text, {"team": self.team, "joins": True}).fetchone()
        queue = Queue.model_validate(found)
        chosen = choose(queue.candidates, route)
        assert queue.waiting is (chosen == self.agent), (needed, able)
        return queue.waiting


@pytest.fixture
def line(rows: Rows) -> Line:
    """Somebody waits, and somebody has room."""
    team = uuid4()
    agent = rows.agent()
    rows.connection.execute("insert into teams (id, tenant_id, name) values (%s, %s, 'T')", (team, rows.mine))
    rows.connection.execute(
        "insert into team_members (tenant_id, team_id, user_id) values (%s, %s, %s)", (rows.mine, team, agent)
    )
    rows.connection.execute(
        "update users set active = true, available = true, capacity = 10000 where id = %s", (agent,)
    )
    rows.connection.execute("update support_tickets set team_id = %s where id = %s", (team, rows.ticket()))
    return Line(rows, team, agent)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(needed=skills, able=skills, declined=st.booleans())
@example(needed=["Straße"], able=["STRASSE"], declined=False)
@example(needed=["ꮳꮃꭹ"], able=["ᏣᎳᎩ"], declined=False)
def test_the_database_finds_for_whom_a_ticket_waits_as_the_domain_chooses(
    line: Line, needed: list[str], able: list[str], declined: bool
) -> None:
    line.agrees(needed, able, declined=declined)


@pytest.mark.parametrize("needed", NASTY)
def test_a_skill_is_the_same_in_every_case(line: Line, needed: str) -> None:
    for case in CASES:
        if case(needed).casefold() == needed.casefold():
            assert line.agrees([needed], [case(needed)], declined=False)
            assert not line.agrees([needed], [case(needed)], declined=True)
    assert line.agrees([], [needed], declined=False)
    assert not line.agrees([needed, "x"], [needed], declined=False)
