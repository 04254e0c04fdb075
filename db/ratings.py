"""Ratings: written once with the event and the notice that tell of them, listed, never changed. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, RowMapping, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

# Shared: a decision that reopens or merges the ticket at this moment is waited for, and the ticket read as it left it.
LOCK_TICKET: Final = text("""
select t.id, t.number, t.subject, t.status, t.resolved_at, t.reopens, t.merged_into, t.assignee_id, t.team_id, t.version, t.account_id,
  t.customer_email, t.requester_id
from support_tickets t where t.id = :ticket for share
""").bindparams(bindparam("ticket", type_=Uuid))

COLUMNS: Final = """
select r.id, r.ticket_id, r.resolution, r.score, r.comment, r.rated_by, r.rated_by_name, r.assignee_id, r.team_id, r.at as created_at,
  t.number, t.subject
from ticket_ratings r join support_tickets t on t.id = r.ticket_id
"""
RATING: Final = text(f"{COLUMNS} where r.id = :id").bindparams(bindparam("id", type_=Uuid))
RATINGS: Final = text(
    f"""{COLUMNS}
where (:ticket is null or r.ticket_id = :ticket) and (:since is null or r.at >= :since) and (:until is null or r.at < :until)
  and (:assignee is null or r.assignee_id = any (:assignee)) and (:team is null or r.team_id = any (:team))
  and (:score is null or r.score = any (:score)) and (:after_at is null or (r.at, r.id) < (:after_at, :after_id))
order by r.at desc, r.id desc limit :count"""
).bindparams(
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until", "after_at")),
    *(bindparam(name, type_=Uuid) for name in ("ticket", "after_id")),
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("assignee", "team")),
    bindparam("score", type_=ARRAY(Integer)),
)

ADD: Final = text("""
with rated as (
  insert into ticket_ratings (id, ticket_id, resolution, score, comment, rated_by, rated_by_name, assignee_id, team_id)
  values (:id, :ticket, :resolution, :score, :comment, :rated_by, :rated_by_name, :assignee, :team)
  returning tenant_id, at
)
insert into events (tenant_id, type, entity, entity_id, version, at, internal, account_id, address, payload)
select tenant_id, 'ticket.rated', 'ticket', :ticket, :version, at, false, :account, lower(:address), :payload from rated
""").bindparams(
    *(bindparam(name, type_=Uuid) for name in ("id", "ticket", "rated_by", "assignee", "team", "account")),
    bindparam("comment", type_=Text),
    bindparam("payload", type_=JSONB),
)
TELL: Final = text("""
insert into notifications (id, process_id, rung, template, recipient, channel, payload)
values (:notice, :ticket, :rung, 'low_rating', :recipient, 'PREFERRED', :payload)
on conflict do nothing
""").bindparams(*(bindparam(name, type_=Uuid) for name in ("notice", "ticket")), bindparam("payload", type_=JSONB))

MAIL_KEY: Final = text("select mail_key from tenants where id = :tenant").bindparams(bindparam("tenant", type_=Uuid))


@dataclass(frozen=True)
class RatingFilters:
    """What a list is narrowed by; the period is half open, and several values of one field mean any of them."""

    since: datetime | None = None
    until: datetime | None = None
    assignees: Sequence[UUID] = ()
    teams: Sequence[UUID] = ()
    scores: Sequence[int] = ()
    ticket_id: UUID | None = None


async def lock_ticket(connection: AsyncConnection, ticket_id: UUID) -> RowMapping | None:
    """A ticket as it stands until the transaction ends."""
    return (await connection.execute(LOCK_TICKET, {"ticket": ticket_id})).mappings().first()


async def add_rating(connection: AsyncConnection, ticket: RowMapping, values: Mapping[str, Any]) -> RowMapping:
    """Write a rating of a locked ticket, and the event that tells of it."""
    payload = {"number": ticket["number"]} | {name: values[name] for name in ("resolution", "score")}
    of_ticket = {
        "ticket": ticket["id"],
        "assignee": ticket["assignee_id"],
        "team": ticket["team_id"],
        "version": ticket["version"],
        "account": ticket["account_id"],
        "address": ticket["customer_email"],
    }
    await connection.execute(ADD, {**values, **of_ticket, "payload": payload | {"ratingId": str(values["id"])}})
    return (await connection.execute(RATING, {"id": values["id"]})).mappings().one()


async def tell_of_rating(
    connection: AsyncConnection, rating: RowMapping, notice: UUID, recipient: str, payload: Mapping[str, Any]
) -> None:
    """Tell somebody of a rating, once."""
    values = {
        "notice": notice,
        "ticket": rating["ticket_id"],
        "rung": f"rating/{rating['resolution']}",
        "recipient": recipient,
        "payload": dict(payload),
    }
    await connection.execute(TELL, values)


async def list_ratings(
    connection: AsyncConnection, filters: RatingFilters, *, count: int, after: tuple[datetime, UUID] | None
) -> Sequence[RowMapping]:
    """A page of ratings, the latest first."""
    at, last = after if after is not None else (None, None)
    values = {
        "since": filters.since,
        "until": filters.until,
        "assignee": list(filters.assignees) or None,
        "team": list(filters.teams) or None,
        "score": list(filters.scores) or None,
        "ticket": filters.ticket_id,
        "after_at": at,
        "after_id": last,
        "count": count,
    }
    return (await connection.execute(RATINGS, values)).mappings().all()


async def mail_key(connection: AsyncConnection, tenant_id: UUID) -> bytes | None:
    """What signs the links of the transaction's tenant."""
    key: bytes | None = (await connection.execute(MAIL_KEY, {"tenant": tenant_id})).scalar()
    return key
