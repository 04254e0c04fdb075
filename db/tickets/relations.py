"""Who and what tickets hang together with, as the API reads it."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.tickets.mentions import mentioned

# Addresses are compared as they are kept for signing in.
COLLEAGUES: Final = text("""
select u.id from users u
where u.role <> 'CUSTOMER' and u.active
  and (lower(u.email) = any(:names) or split_part(lower(u.email), '@', 1) = any(:names))
""").bindparams(bindparam("names", type_=ARRAY(Text)))

# A function finds each address by its index, which row-level security would keep from a query.
COLLEAGUES_AT: Final = text("""
select a.address, u.id
from unnest(cast(:addresses as text[])) with ordinality a(address, place)
cross join lateral (select f.id from user_by_address(a.address) f where f.active limit 1) f
join users u on u.id = f.id
where u.role <> 'CUSTOMER' order by a.place
""").bindparams(bindparam("addresses", type_=ARRAY(Text)))

LINKS: Final = text("""
select * from (
  select 'TICKET' as type, l.target_id, s.number, s.subject, s.status, true as outgoing
  from ticket_links l join support_tickets s on s.id = l.target_id where l.ticket_id = :ticket and l.type = 'TICKET'
  union all
  select l.type, l.target_id, null, null, null, true from ticket_links l where l.ticket_id = :ticket and l.type <> 'TICKET'
  union all
  select 'TICKET', l.ticket_id, s.number, s.subject, s.status, false
  from ticket_links l join support_tickets s on s.id = l.ticket_id where l.target_id = :ticket and l.type = 'TICKET'
) linked
where :after_type is null or (not outgoing, type, target_id) > (not :after_outgoing, :after_type, :after_id)
order by not outgoing, type, target_id limit :count
""").bindparams(
    *(bindparam(name, type_=Uuid) for name in ("ticket", "after_id")),
    bindparam("after_outgoing", type_=Boolean),
    bindparam("after_type", type_=Text),
)


END_OF_MERGES: Final = text("""
with recursive chain as (
  select s.id, s.merged_into, null::uuid as through, 0 as hops from support_tickets s where s.id = :ticket
  union all
  select s.id, s.merged_into, c.id, c.hops + 1 from chain c join support_tickets s on s.id = c.merged_into where c.hops < 1000
)
select id, through from chain where merged_into is null
""").bindparams(bindparam("ticket", type_=Uuid))


PLACE: Final = text("select c.ticket_id from ticket_comments c where c.id = :comment").bindparams(
    bindparam("comment", type_=Uuid)
)


async def colleagues_called(connection: AsyncConnection, text: str) -> tuple[UUID, ...]:
    """The active staff whom a text calls, by address or by the part of it before the @."""
    names = mentioned(text)
    return tuple((await connection.execute(COLLEAGUES, {"names": list(names)})).scalars()) if names else ()


async def colleagues_at(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, UUID]:
    """The active staff among the people with these addresses, by address in lower case."""
    rows = await connection.execute(COLLEAGUES_AT, {"addresses": [each.lower() for each in addresses]})
    return {row.address: row.id for row in rows}


async def list_links(
    connection: AsyncConnection, ticket_id: UUID, *, count: int, after: tuple[bool, str, UUID] | None
) -> Sequence[Any]:
    """A page of a ticket's links, from both ends: `outgoing` ones are its own, and come first. `after` is the last one seen."""
    outgoing, kind, target = after or (None, None, None)
    place = {"after_outgoing": outgoing, "after_type": kind, "after_id": target}
    return (await connection.execute(LINKS, {"ticket": ticket_id, "count": count, **place})).mappings().all()


async def end_of_merges(connection: AsyncConnection, ticket_id: UUID) -> tuple[UUID, UUID | None] | None:
    """Where a ticket's conversation goes on after merges, and the merged ticket next to it; None for a ticket unknown."""
    found = (await connection.execute(END_OF_MERGES, {"ticket": ticket_id})).first()
    return (found.id, found.through) if found else None


async def place_of(connection: AsyncConnection, comment_id: UUID) -> UUID | None:
    """The ticket on which a comment stands, once it has been said."""
    return (await connection.execute(PLACE, {"comment": comment_id})).scalar_one_or_none()
