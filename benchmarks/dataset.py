"""A hundred thousand tickets of varied text, loaded straight into the tables."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from benchmarks.clocks import add_clocks
from benchmarks.texts import Texts

BATCH: Final = 10_000
ACCOUNTS, AGENTS, TEAMS = 200, 25, 4
SPAN: Final = dt.timedelta(days=540)
FIRST_NUMBER: Final = 1_000_000
"""Above what the tenant's own sequence has given out."""

STATUSES: Final = (
    "CLOSED",
    "RESOLVED",
    "OPEN",
    "IN_PROGRESS",
    "PENDING_CUSTOMER",
    "PENDING_INTERNAL",
    "NEW",
    "CANCELLED",
)
STATUS_WEIGHTS: Final = (80, 5, 4, 3, 3, 1, 2, 2)
PRIORITIES, PRIORITY_WEIGHTS = ("LOW", "MEDIUM", "HIGH", "URGENT"), (20, 50, 22, 8)
SEVERITIES, SEVERITY_WEIGHTS = ("SEV1", "SEV2", "SEV3", "SEV4"), (3, 12, 60, 25)
CHANNELS: Final = ("EMAIL", "PORTAL", "CHAT", "PHONE", "API")
TIERS: Final = ("BASIC", "PROFESSIONAL", "ENTERPRISE", "PREMIUM")
CATEGORIES: Final = ("Technical Issue", "Billing", "Account", "Feature Request", "Incident", "How-to")
TAGS: Final = [f"tag-{number}" for number in range(60)]

TICKET: Final = (
    *("id", "tenant_id", "number", "status", "status_since", "customer_email", "subject", "description", "priority"),
    *("severity", "channel", "category", "sla_tier", "tags", "fields", "account_id", "assignee_id", "team_id"),
    *("first_response_at", "resolved_at", "closed_at", "reopens", "next_deadline_at", "next_deadline_kind"),
    *("created_at", "updated_at", "version"),
)
COMMENT: Final = (
    *("id", "tenant_id", "ticket_id", "revision", "author_name", "author_role", "body", "internal", "created_at"),
)

# Processes count as final, whatever their ticket's status: no workflow runs for them, and none is to be revived.
ADD_PROCESSES: Final = """
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final)
select id, tenant_id, 'ticket', 'ticket/' || id, 1, 1, true from support_tickets where tenant_id = %s and number between %s and %s
"""
ADD_HISTORY: Final = """
insert into ticket_history
  (process_id, revision, tenant_id, command, command_id, fingerprint, payload, actor, at, decided_at, changes, snapshot,
   effects, answer)
select id, 1, tenant_id, 'create', md5(id::text), md5(subject), jsonb_build_object('subject', subject, 'description', description),
  '{"role": "AGENT", "name": "Agent"}', created_at, created_at, jsonb_build_object('status', jsonb_build_object('after', status)),
  jsonb_build_object('revision', 1, 'state', to_jsonb(t) - 'description'), '[]', '{}'
from support_tickets t where tenant_id = %s and number between %s and %s
"""
INDEX_TICKETS: Final = """
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select tenant_id, id, id, false, created_at,
  setweight(to_tsvector('english', subject), 'A') || setweight(to_tsvector('english', description), 'B')
from support_tickets where tenant_id = %s and number between %s and %s
"""
INDEX_COMMENTS: Final = """
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select c.tenant_id, c.ticket_id, c.id, c.internal, t.created_at, setweight(to_tsvector('english', c.body), 'B')
from ticket_comments c join support_tickets t on t.id = c.ticket_id
where t.tenant_id = %s and t.number between %s and %s
"""
ADD_TAGS: Final = """
insert into ticket_tags (tenant_id, ticket_id, tag)
select tenant_id, id, unnest(tags) from support_tickets where tenant_id = %s and number between %s and %s
"""
ADD_ACCOUNTS: Final = """
insert into customer_accounts (tenant_id, name, tier, monthly_fee)
select %s, 'Customer ' || n, (array['BASIC','PROFESSIONAL','ENTERPRISE','PREMIUM'])[1 + n %% 4], 1000
from generate_series(1, %s) n returning id
"""
ADD_AGENTS: Final = """
insert into users (tenant_id, email, name, role)
select %s, 'desk' || n || '@bench.example', 'Desk ' || n, 'AGENT' from generate_series(1, %s) n returning id
"""
ADD_TEAMS: Final = (
    "insert into teams (tenant_id, name) select %s, 'Team ' || n from generate_series(1, %s) n returning id"
)

TABLES: Final = (
    *("processes", "support_tickets", "ticket_comments", "ticket_search", "ticket_tags", "ticket_history"),
    *("sla_clocks", "sla_breaches"),
)
DOCUMENT_INDEX: Final = "ix_ticket_search_document"


@dataclass(frozen=True)
class People:
    """Whom the tickets of a tenant belong to, the busiest first."""

    accounts: Sequence[UUID]
    agents: Sequence[UUID]
    teams: Sequence[UUID]


def load(database: str, tenants: Mapping[UUID, int]) -> dict[UUID, People]:
    """Load so many tickets for each tenant, as the database's superuser; then bring its statistics up to date."""
    people: dict[UUID, People] = {}
    with psycopg.connect(database, autocommit=True) as connection:
        # Foreign keys hold by construction; checking them row by row would take longer than the load.
        connection.execute("set session_replication_role = replica")
        connection.execute("set maintenance_work_mem = '512MB'")
        connection.execute("set synchronous_commit = off")
        with _without_index(connection, DOCUMENT_INDEX):
            for seed, (tenant, count) in enumerate(tenants.items()):
                people[tenant] = _people(connection, tenant)
                _load_tenant(connection, tenant, count, people[tenant], seed)
        for table in TABLES:
            connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(table)))
        connection.execute("checkpoint")
    return people


class _without_index:  # noqa: N801 (reads as a statement)
    """Drop an index for a bulk load and build it again afterwards, as it was."""

    def __init__(self, connection: psycopg.Connection, name: str) -> None:
        self._connection, self._name = connection, name

    def __enter__(self) -> None:
        found = self._connection.execute("select pg_get_indexdef(%s::regclass)", [self._name]).fetchone()
        assert found is not None
        self._definition: LiteralString = found[0]
        self._connection.execute(sql.SQL("drop index {}").format(sql.Identifier(self._name)))

    def __exit__(self, *_: object) -> None:
        self._connection.execute(self._definition)


def _people(connection: psycopg.Connection, tenant: UUID) -> People:
    def add(statement: LiteralString, count: int) -> list[UUID]:
        return [row[0] for row in connection.execute(statement, (tenant, count)).fetchall()]

    return People(add(ADD_ACCOUNTS, ACCOUNTS), add(ADD_AGENTS, AGENTS), add(ADD_TEAMS, TEAMS))


def _load_tenant(connection: psycopg.Connection, tenant: UUID, count: int, people: People, seed: int) -> None:
    texts = Texts(seed)
    now = dt.datetime.now(dt.UTC)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        rows = [_ticket(texts, tenant, people, n, now - SPAN * (1 - (n + 1) / count) ** 1.5) for n in numbers]
        with connection.transaction():
            _copy(connection, "support_tickets", TICKET, (tuple(row[name] for name in TICKET) for row in rows))
            _copy(connection, "ticket_comments", COMMENT, _comments(texts, rows))
            these = (tenant, FIRST_NUMBER + numbers[0], FIRST_NUMBER + numbers[-1])
            for statement in (ADD_PROCESSES, ADD_HISTORY, INDEX_TICKETS, INDEX_COMMENTS, ADD_TAGS):
                connection.execute(statement, these)
            add_clocks(connection, *these)


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _ticket(texts: Texts, tenant: UUID, people: People, n: int, created: dt.datetime) -> dict[str, Any]:
    chance = texts.random
    status = chance.choices(STATUSES, STATUS_WEIGHTS)[0]
    moved = min(created + dt.timedelta(hours=chance.expovariate(1 / 30)), dt.datetime.now(dt.UTC))
    over = status in {"CLOSED", "CANCELLED"}
    promised = status in {"PENDING_CUSTOMER", "RESOLVED"}
    account = int(len(people.accounts) * chance.random() ** 2.5)
    return {
        "id": _uuid7(created, chance),
        "tenant_id": tenant,
        "number": FIRST_NUMBER + n,
        "status": status,
        "status_since": moved,
        "customer_email": f"user{chance.randrange(20)}@customer{account}.example",
        "subject": texts.words(chance.randint(4, 9)),
        "description": texts.words(chance.randint(25, 55)),
        "priority": chance.choices(PRIORITIES, PRIORITY_WEIGHTS)[0],
        "severity": chance.choices(SEVERITIES, SEVERITY_WEIGHTS)[0],
        "channel": chance.choice(CHANNELS),
        "category": chance.choice(CATEGORIES),
        "sla_tier": TIERS[account % 4],
        "tags": chance.sample(TAGS, chance.randint(0, 3)),
        "fields": "{}",
        "account_id": people.accounts[account],
        "assignee_id": None if status == "NEW" else people.agents[int(len(people.agents) * chance.random() ** 1.5)],
        "team_id": chance.choice(people.teams),
        "first_response_at": None if status == "NEW" else moved,
        "resolved_at": moved if status in {"CLOSED", "RESOLVED"} else None,
        "closed_at": moved if over else None,
        "reopens": 0,
        "next_deadline_at": moved + dt.timedelta(days=chance.uniform(1, 7)) if promised else None,
        "next_deadline_kind": "AUTO_CLOSE" if promised else None,
        "created_at": created,
        "updated_at": moved,
        "version": 1,
    }


def _comments(texts: Texts, tickets: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
    chance = texts.random
    for ticket in tickets:
        for revision in itertools.islice(itertools.count(2), chance.choices((0, 1, 2, 4), (25, 40, 25, 10))[0]):
            at = ticket["created_at"] + (ticket["updated_at"] - ticket["created_at"]) * chance.random()
            values = (_uuid7(at, chance), ticket["tenant_id"], ticket["id"], revision, "Desk", "AGENT")
            yield (*values, texts.words(chance.randint(10, 35)), chance.random() < 0.2, at)


def _uuid7(at: dt.datetime, chance: random.Random) -> UUID:
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62))
