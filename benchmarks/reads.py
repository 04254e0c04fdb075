"""Reads through HTTP of a large tenant: one ticket, every sort, filters, deep pages, searches, metrics, breaches."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from pydantic import SecretStr

from api.auth import derive_key
from api.paging import Cursors
from benchmarks.callers import Timing, measure
from benchmarks.client import Http
from benchmarks.dataset import STATUSES, TAGS, People
from benchmarks.texts import Texts
from benchmarks.usage import Meter
from db.tickets.reads import SORTS
from runtime.settings import Settings

GET_P50: Final = 10.0
LIST_P95: Final = 50.0
METRICS_P95: Final = 500.0
"""Milliseconds that are asked for."""

MOST_SECONDS: Final = 4.0

TICKETS: Final = "/api/tickets"

DEEP: Final = 0.7
"""How far into the list a deep page lies."""

SAMPLE: Final = "select id from support_tickets where tenant_id = %s order by md5(id::text) limit 500"

Query = Callable[[], Mapping[str, Any]]
"""The parameters of the next call; each call asks for something else."""


@dataclass(frozen=True)
class Read:
    """One kind of read, measured."""

    name: str
    timing: Timing = field(default_factory=Timing)


@dataclass
class Reader:
    """What may be asked of one tenant."""

    stack: Mapping[str, Any]
    secret: str
    tenant: UUID
    people: People

    def __post_init__(self) -> None:
        self.chance = random.Random(5)
        self.texts = Texts(seed=5)

    def lists(self) -> dict[str, Query]:
        """Every list, by name."""
        pick, people = self.chance.choice, self.people
        named: dict[str, Query] = {
            "filter status": lambda: {"status": pick(STATUSES)},
            "filter two statuses, by deadline": lambda: {"status": ["OPEN", "RESOLVED"], "sort": "nextDeadline"},
            "filter status, severity": lambda: {
                "status": pick(STATUSES),
                "severity": f"SEV{self.chance.randint(1, 4)}",
            },
            "filter assignee": lambda: {"assigneeId": str(pick(people.agents))},
            "filter assignee, open, by priority": lambda: {
                "assigneeId": str(pick(people.agents)),
                "status": ["NEW", "OPEN", "IN_PROGRESS"],
                "sort": "-priority",
            },
            "filter team, category": lambda: {"teamId": str(pick(people.teams)), "category": "Billing"},
            "filter account": lambda: {"accountId": str(pick(people.accounts))},
            "filter small account, by update": lambda: {"accountId": str(people.accounts[-1]), "sort": "-updatedAt"},
            "filter customer": lambda: {
                "customerEmail": f"user{self.chance.randrange(20)}@customer{self.chance.randrange(200)}.example"
            },
            "filter tag": lambda: {"tag": pick(TAGS)},
            "filter two tags, none match": lambda: {"tag": ["tag-none", "tag-nowhere"]},
        }
        sorts = [sign + name for name in SORTS for sign in ("", "-")]
        return (
            {f"sort {sort}": self._constant({"sort": sort}) for sort in sorts}
            | {f"deep page {sort}": self._deep(sort) for sort in sorts}
            | named
            | {"100 a page": self._constant({"limit": 100})}
        )

    def searches(self) -> dict[str, Query]:
        """Every search, by name."""
        texts, pick = self.texts, self.chance.choice
        return {
            "rare word": lambda: {"q": texts.rare()},
            "one common word": lambda: {"q": texts.common(1)},
            "two common words": lambda: {"q": texts.common(2)},
            "common or rare": lambda: {"q": f"{texts.common(1)} or {texts.rare()}"},
            "phrase": lambda: {"q": f'"{texts.common(2)}"'},
            "two common words, status": lambda: {"q": texts.common(2), "status": pick(STATUSES)},
            "common word, by priority": lambda: {"q": texts.common(1), "sort": "-priority"},
            "common word, not another": lambda: {"q": " -".join(texts.common(2).split())},
            "nothing matches": lambda: {"q": "zzyzx"},
            "ticket number": lambda: {"q": f"SUP-{1_000_000 + self.chance.randrange(1000)}"},
        }

    def metrics(self) -> dict[str, Query]:
        """How promises were kept, by name."""
        now = datetime.now(UTC)
        month, year = ({"from": (now - timedelta(days=days)).isoformat()} for days in (30, 365))
        return {
            "30 days": self._constant(month),
            "30 days by tier": self._constant({**month, "groupBy": "tier"}),
            "30 days by team": self._constant({**month, "groupBy": "team"}),
            "a year by month": self._constant({**year, "groupBy": "month"}),
        }

    def breaches(self) -> dict[str, Query]:
        """Lists of breaches, by name."""
        return {
            "newest": self._constant({}),
            "of an account": lambda: {"accountId": str(self.chance.choice(self.people.accounts)), "limit": 100},
            "resolutions not acknowledged": self._constant({"kind": "RESOLUTION", "acknowledged": "false"}),
        }

    def tickets(self) -> list[str]:
        """Ids to get."""
        with psycopg.connect(self.stack["databaseUrl"]) as connection:
            return [str(row[0]) for row in connection.execute(SAMPLE, [self.tenant]).fetchall()]

    def _constant(self, query: Mapping[str, Any]) -> Query:
        return lambda: query

    def _deep(self, sort: str) -> Query:
        """Pages around DEEP of a list, by cursors like those that the API gives out."""
        key = SORTS[sort.removeprefix("-")].compile(compile_kwargs={"literal_binds": True})
        way = "desc" if sort.startswith("-") else "asc"
        statement = f"""
            select {key}, id from support_tickets where tenant_id = '{self.tenant}' order by 1 {way}, 2 {way}
            limit 40 offset (select (count(*) * {DEEP})::int from support_tickets where tenant_id = '{self.tenant}')"""
        with psycopg.connect(self.stack["databaseUrl"]) as connection:
            connection.execute("set time zone 'UTC'")
            rows = connection.execute(statement.encode()).fetchall()
        cursors = Cursors(derive_key(Settings(secret=SecretStr(self.secret)), "cursors")).of(TICKETS)
        written = [
            cursors.write(sort, [value if isinstance(value, int) else value.isoformat(), str(ticket)])
            for value, ticket in rows
        ]
        return lambda: {"sort": sort, "cursor": self.chance.choice(written)}


async def reads(reader: Reader, token: str, meter: Meter, calls: int) -> dict[str, list[Read]]:
    """Each read by one caller, so many times, after a few calls that are not counted."""
    results: dict[str, list[Read]] = {"get": []}
    async with Http(reader.stack["apiUrl"], token) as http:
        ids = reader.tickets()

        async def get(number: int) -> None:
            await http.get(f"/api/tickets/{ids[number % len(ids)]}")

        await measure(1, 50, MOST_SECONDS, get, meter)
        results["get"].append(Read("get", await measure(1, 5 * calls, MOST_SECONDS, get, meter)))
        results["get"].append(Read("get at 32", await measure(32, 10 * calls, MOST_SECONDS, get, meter)))
        for kind, (path, queries) in {
            "list": (TICKETS, reader.lists()),
            "search": (TICKETS, reader.searches()),
            "metrics": ("/api/sla/metrics", reader.metrics()),
            "breaches": ("/api/sla/breaches", reader.breaches()),
        }.items():
            results[kind] = []
            for name, query in queries.items():

                async def page(_: int, path: str = path, query: Query = query) -> None:
                    await http.get(path, query())

                await measure(1, 5, MOST_SECONDS, page, meter)
                results[kind].append(Read(name, await measure(1, calls, MOST_SECONDS, page, meter)))
    return results


async def customers_list(reader: Reader, token: str, meter: Meter, calls: int) -> Read:
    """A customer's own list: what their account and their address allow."""
    async with Http(reader.stack["apiUrl"], token) as http:

        async def page(_: int) -> None:
            await http.get(TICKETS)

        await measure(1, 5, MOST_SECONDS, page, meter)
        return Read("as a customer", await measure(1, calls, MOST_SECONDS, page, meter))
