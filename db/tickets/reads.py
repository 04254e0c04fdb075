"""What the API reads of tickets: one, a page of many, and their comments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.errors import QueryCanceled
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.identity import ACCOUNT_OF_ADDRESS
from db.statements import composed
from db.tables.desk import ticket_field_values
from db.tables.metadata import INSTANT
from db.tables.ratings import ticket_ratings
from db.tables.tickets import support_tickets, ticket_comments, ticket_tags
from domain.customers import mail_domain
from domain.identity import Actor
from domain.tickets.standing import SlaState

MOST_MATCHES: Final = 1_000
"""How many of the newest matching texts a search sorts and filters."""

T: Final = support_tickets.c

SORTS: Final[Mapping[str, ColumnElement[Any]]] = {
    "createdAt": T.created_at,
    "updatedAt": T.updated_at,
    "priority": T.priority_rank,
    "nextDeadline": T.due_order,
}

COLUMNS: Final = [
    column for column in support_tickets.c if column.name not in {"tenant_id", "customer_key", "due_order"}
]

RESOLUTION: Final = T.reopens + cast(T.resolved_at.is_not(None), Integer)
"""The number of a ticket's latest resolution: each reopening has ended one, and the one that stands is one more."""

R: Final = ticket_ratings.c
SATISFACTION: Final = case(
    (
        or_(T.resolved_at.is_not(None), T.reopens > 0),
        select(R.score)
        .where(R.ticket_id == T.id, R.resolution == RESOLUTION)
        .correlate(support_tickets)
        .scalar_subquery(),
    )
).label("satisfaction")
"""How the latest resolution was rated; looked for only where there was one."""

AT_RISK: Final = and_(T.sla_standing == "ok", T.at_risk_at <= func.now())
STANDINGS: Final[Mapping[SlaState, ColumnElement[bool]]] = {
    SlaState.OK: and_(T.sla_standing == "ok", T.at_risk_at > func.now()),
    SlaState.AT_RISK: AT_RISK,
    SlaState.BREACHED: T.sla_standing == "breached",
    SlaState.PAUSED: T.sla_standing == "paused",
}
"""Which rows stand so now: being at risk comes with time, so no row says it. Only a clock that runs has an instant from which on it
is at risk, so what is over, or promised nothing, is neither well nor in danger."""

INTAKE: Final = text(
    composed(
        """
select a.id as account_id, a.tier as account_tier,
  exists (select from users u where u.id = :assignee and u.role <> 'CUSTOMER' and u.active) as assignee_known,
  exists (select from teams m where m.id = :team) as team_known
from (values (1)) one
left join customer_accounts a on a.id = coalesce(
  $known,
  (select d.account_id from account_domains d where d.domain = :domain))
""",
        known=ACCOUNT_OF_ADDRESS,
    )
).bindparams(bindparam("assignee", type_=T.assignee_id.type), bindparam("team", type_=T.team_id.type))

PATIENCE: Final = text("select set_config('statement_timeout', cast(:milliseconds as text), true)")
DESCRIPTION: Final = select(T.description).where(T.id == bindparam("ticket"))


@dataclass(frozen=True)
class TicketFilters:
    """What a list is narrowed by; several values of one field mean any of them."""

    q: str | None = None
    any_of: Mapping[str, Sequence[str | UUID]] = field(default_factory=dict)
    unassigned: bool | None = None
    tags: Sequence[str] = ()
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    customer_email: str | None = None
    sla_states: Sequence[SlaState] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    due_before: datetime | None = None


def seen_by(actor: Actor) -> ColumnElement[bool] | None:
    """The tickets that an actor sees, as `domain.tickets.access.sees` has it: None for staff, who see all of their tenant's."""
    if actor.staff:
        return None
    of_account = T.account_id == actor.account_id if actor.account_id else false()
    return or_(of_account, T.customer_key == func.lower(actor.email))


async def find_ticket(connection: AsyncConnection, actor: Actor, ticket_id: UUID) -> dict[str, Any] | None:
    """One ticket, if the actor may see it."""
    query = select(*COLUMNS, SATISFACTION).where(T.id == bindparam("ticket"))
    visible = seen_by(actor)
    if visible is not None:
        query = query.where(visible)
    row = (await connection.execute(query, {"ticket": ticket_id})).mappings().first()
    return dict(row) if row else None


async def find_description(connection: AsyncConnection, ticket_id: UUID) -> str:
    """The text of a ticket whose decision was too short on room to answer with it."""
    found: str | None = (await connection.execute(DESCRIPTION, {"ticket": ticket_id})).scalar()
    return found or ""


async def intake(connection: AsyncConnection, email: str, assignee: UUID | None, team: UUID | None) -> dict[str, Any]:
    """What a creation will read too: the customer's account, and whether those whom it names exist."""
    values = {"email": email, "domain": mail_domain(email), "assignee": assignee, "team": team}
    found = await connection.execute(INTAKE, values)
    return dict(found.mappings().one())


async def list_tickets(
    connection: AsyncConnection,
    actor: Actor,
    filters: TicketFilters,
    sort: str,
    after: Sequence[Any] | None,
    count: int,
) -> list[dict[str, Any]]:
    """A page of tickets by keyset. `sort` is a key of SORTS, with `-` in front for descending; `after` holds (sort value, id)."""
    key, descending = SORTS[sort.removeprefix("-")], sort.startswith("-")
    query = narrowed(select(*COLUMNS, SATISFACTION, key.label("sort_key")), actor, filters)
    if after is not None:
        here, there = tuple_(key, T.id), tuple_(literal(after[0], key.type), literal(after[1], T.id.type))
        query = query.where(here < there if descending else here > there)
    order = (key.desc(), T.id.desc()) if descending else (key, T.id)
    return [dict(row) for row in (await connection.execute(query.order_by(*order).limit(count))).mappings()]


async def count_tickets(
    connection: AsyncConnection, actor: Actor, filters: TicketFilters, most: int, seconds: float
) -> int | None:
    """How many tickets there are, counted up to `most`; None when that takes longer than so many seconds.

    Later statements of the transaction have no longer time than the last count.
    """
    some = narrowed(select(T.id), actor, filters).limit(most).subquery()
    try:
        async with connection.begin_nested():
            await connection.execute(PATIENCE, {"milliseconds": max(1, int(seconds * 1000))})
            return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())
    except OperationalError as error:
        if isinstance(error.orig, QueryCanceled):
            return None
        raise


def narrowed(query: Select[Any], actor: Actor, filters: TicketFilters) -> Select[Any]:
    """The query with every filter applied."""
    visible = seen_by(actor)
    if visible is not None:
        query = query.where(visible)
    for name, values in filters.any_of.items():
        column = support_tickets.c[name]
        query = query.where(column == values[0] if len(values) == 1 else column.in_(values))
    if filters.unassigned is not None:
        query = query.where(T.assignee_id.is_(None) if filters.unassigned else T.assignee_id.is_not(None))
    if filters.tags:
        tagged = select(ticket_tags.c.ticket_id).where(ticket_tags.c.tag.in_(filters.tags))
        query = query.where(T.id.in_(tagged))
    held = ticket_field_values.c
    for key, texts in filters.fields.items():
        having = select(held.ticket_id).where(held.key == key, held.value.in_(texts))
        query = query.where(T.id.in_(having))
    if filters.customer_email:
        query = query.where(T.customer_key == func.lower(filters.customer_email))
    if filters.sla_states:
        query = query.where(or_(*(STANDINGS[state] for state in set(filters.sla_states))))
    if filters.created_from:
        query = query.where(T.created_at >= filters.created_from)
    if filters.created_to:
        query = query.where(T.created_at < filters.created_to)
    if filters.due_before:
        # What is next is never before `due_order`, and that has the index.
        query = query.where(T.next_deadline_at < filters.due_before, T.due_order < filters.due_before)
    if filters.q:
        whose = (filters.customer_email, None) if actor.staff else (actor.email, actor.account_id)
        found = func.search_tickets(
            filters.q, actor.staff, MOST_MATCHES, *(cast(w, t) for w, t in zip(whose, (Text, Uuid), strict=True))
        )
        hits = select(found.label("id")).cte("hits")
        query = query.where(T.id.in_(select(hits.prefix_with("MATERIALIZED").c.id)))
    return query


async def list_comments(
    connection: AsyncConnection,
    actor: Actor,
    ticket_id: UUID,
    after: tuple[datetime, UUID] | None,
    count: int,
    *,
    oldest: bool,
) -> list[dict[str, Any]]:
    """A page of a ticket's comments; customers see the public ones only."""
    c = ticket_comments.c
    query = select(ticket_comments).where(c.ticket_id == ticket_id)
    if not actor.staff:
        query = query.where(~c.internal)
    if after is not None:
        here, there = tuple_(c.created_at, c.id), tuple_(literal(after[0], INSTANT), literal(after[1], c.id.type))
        query = query.where(here > there if oldest else here < there)
    order = (c.created_at, c.id) if oldest else (c.created_at.desc(), c.id.desc())
    return [dict(row) for row in (await connection.execute(query.order_by(*order).limit(count))).mappings()]
