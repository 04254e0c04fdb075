"""How promises were kept in a period: set-based counts of clocks, times of tickets and sums of credits, whole and by group."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import composed
from domain.sla.clocks import ClockKind
from domain.sla.compliance import Count, Counts, GroupBy, Period


class Key(NamedTuple):
    """What a group is told by: of a clock, of a ticket, of a rating where that is not its ticket's, and how it is called."""

    clock: str
    ticket: str
    name: str = "g.key"
    join: str = ""
    rating: str = ""


OF_TICKET: Final = "join support_tickets t on t.id = c.ticket_id"

KEYS: Final[Mapping[GroupBy | None, Key]] = {
    None: Key("null::text", "null::text"),
    GroupBy.TIER: Key("c.tier", "t.sla_tier"),
    GroupBy.SEVERITY: Key("c.severity", "t.severity"),
    GroupBy.CATEGORY: Key("t.category", "t.category", join=OF_TICKET),
    GroupBy.TEAM: Key(
        "t.team_id::text",
        "t.team_id::text",
        "(select m.name from teams m where m.id = g.key::uuid)",
        OF_TICKET,
    ),
    GroupBy.MONTH: Key(
        "to_char(c.judged_at at time zone 'UTC', 'YYYY-MM')",
        "to_char(t.created_at at time zone 'UTC', 'YYYY-MM')",
        rating="to_char(r.at at time zone 'UTC', 'YYYY-MM')",
    ),
}


def _clocks(key: Key) -> TextClause:
    return text(
        composed(
            """
select grouping(g.key) = 1 as everything, g.key, $name as name, g.kind,
  count(*) filter (where g.state = 'MET') as met,
  count(*) filter (where g.state = 'BREACHED') as breached,
  count(*) filter (where g.state = 'BREACHED' and g.waived) as waived
from (
  select $key as key, c.kind, c.state, c.waived or w.breach_id is not null as waived
  from sla_clocks c $join
  left join (
    select b.ticket_id, b.kind, b.cycle, x.breach_id
    from sla_breach_actions x join sla_breaches b on b.id = x.breach_id where x.action = 'WAIVE'
  ) w on w.ticket_id = c.ticket_id and w.kind = c.kind and w.cycle = c.cycle
  where c.judged_at >= :since and c.judged_at < :until and c.state in ('MET', 'BREACHED')
) g
group by grouping sets ((g.kind), (g.key, g.kind))
""",
            name=key.name,
            key=key.clock,
            join=key.join,
        )
    )


def _tickets(key: Key) -> TextClause:
    return text(
        composed(
            """
select grouping(g.key) = 1 as everything, g.key, $name as name,
  percentile_cont(array[0.5, 0.9]) within group (order by g.response) as response,
  percentile_cont(array[0.5, 0.9]) within group (order by g.resolution) as resolution
from (
  select $key as key,
    extract(epoch from t.first_response_at - least(t.created_at, t.first_response_at))::float8 as response,
    extract(epoch from t.resolved_at - least(t.created_at, t.resolved_at))::float8 as resolution
  from support_tickets t where t.created_at >= :since and t.created_at < :until
) g
group by grouping sets ((), (g.key))
""",
            name=key.name,
            key=key.ticket,
        )
    )


def _credits(key: Key) -> TextClause:
    return text(
        composed(
            """
select grouping(g.key) = 1 as everything, g.key, $name as name, g.currency, sum(g.amount) as amount
from (
  select $key as key, x.currency, x.amount
  from sla_breaches b join sla_breach_actions x on x.breach_id = b.id and x.action = 'CREDIT'
  join sla_clocks c on c.ticket_id = b.ticket_id and c.kind = b.kind and c.cycle = b.cycle $join
  where b.breached_at >= :since and b.breached_at < :until
) g
group by grouping sets ((g.currency), (g.key, g.currency))
""",
            name=key.name,
            key=key.clock,
            join=key.join,
        )
    )


def _ratings(key: Key) -> TextClause:
    return text(
        composed(
            """
select grouping(g.key) = 1 as everything, g.key, $name as name, avg(g.score)::float8 as satisfaction
from (
  select $key as key, r.score
  from ticket_ratings r join support_tickets t on t.id = r.ticket_id where r.at >= :since and r.at < :until
) g
group by grouping sets ((), (g.key))
""",
            name=key.name,
            key=key.rating or key.ticket,
        )
    )


STATEMENTS: Final = {by: (_clocks(key), _tickets(key), _credits(key), _ratings(key)) for by, key in KEYS.items()}


@dataclass
class Kept:
    """How promises were kept in a group, or in all; times are seconds from the creation, the median and the 90th percentile."""

    name: str | None = None
    counts: Counts = field(default_factory=dict)
    credits: dict[str, Decimal] = field(default_factory=dict)
    response: tuple[float | None, float | None] = (None, None)
    resolution: tuple[float | None, float | None] = (None, None)
    satisfaction: float | None = None


@dataclass
class Compliance:
    """All of it, and each group by its key; the key None is what has none, such as tickets without a team."""

    everything: Kept = field(default_factory=Kept)
    groups: defaultdict[str | None, Kept] = field(default_factory=lambda: defaultdict(Kept))

    def of(self, row: RowMapping) -> Kept:
        """Whom a row speaks of."""
        if row["everything"]:
            return self.everything
        group = self.groups[row["key"]]
        group.name = row["name"]
        return group


async def read_compliance(connection: AsyncConnection, period: Period, by: GroupBy | None) -> Compliance:
    """How promises were kept: cycles by the deadline that stood, credits by their breach, times by creation, ratings by themselves."""
    found = Compliance()
    clocks, tickets, sums, ratings = STATEMENTS[by]
    values = period._asdict()
    for row in (await connection.execute(clocks, values)).mappings():
        found.of(row).counts[ClockKind(row["kind"])] = Count(row["met"], row["breached"], row["waived"])
    for row in (await connection.execute(tickets, values)).mappings():
        kept = found.of(row)
        kept.response = tuple(row["response"] or (None, None))
        kept.resolution = tuple(row["resolution"] or (None, None))
    for row in (await connection.execute(sums, values)).mappings():
        found.of(row).credits[row["currency"]] = row["amount"]
    for row in (await connection.execute(ratings, values)).mappings():
        found.of(row).satisfaction = row["satisfaction"]
    return found
