"""The queues of teams: who waits, who has room, and the jobs that bring them together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement

UNRESOLVED: Final = "status not in ('RESOLVED','CLOSED','CANCELLED')"
WAITING: Final = (
    f"s.assignee_id is null and s.route is not null and s.{UNRESOLVED} and s.route ->> 'method' <> 'MANUAL'"
)

RULE_COLUMNS: Final = """
t.routing_revision,
case when t.routing_revision is distinct from cast(:known_routing_revision as bigint) then (
  select coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'condition', r.condition, 'team_id', r.team_id,
    'skills', r.skills, 'method', r.method) order by r.position, r.created_at, r.id), '[]')
  from routing_rules r where r.tenant_id = t.id and r.active)::text end as routing_rules"""
"""Columns of a statement over `tenants t`: the revision, and the rules only where it is another than `:known_routing_revision`."""

# Teams that share a member are locked together, in one order, so that nobody gets more than they have room for through two teams.
LOCK_QUEUE: Final = Statement(
    text("""
select x.id from teams x where x.id = :team or x.id in (
  select o.team_id from team_members m join team_members o on o.user_id = m.user_id where m.team_id = :team)
order by x.id for no key update
""")
)

QUEUE: Final = Statement(
    text(f"""
select
  exists (select from support_tickets s where s.team_id = :team and s.id <> :ticket and {WAITING}) as waiting,
  (select coalesce(json_agg(json_build_object('user_id', u.id, 'skills', u.skills, 'capacity', u.capacity,
     'assigned_at', m.assigned_at, 'load', (
       select count(*) from support_tickets s where s.assignee_id = u.id and s.{UNRESOLVED}))), '[]')
   from team_members m join users u on u.id = m.user_id
   where m.team_id = :team and u.active and u.available and u.role <> 'CUSTOMER' and u.capacity > 0) as candidates
""")  # noqa: S608 - constants
)

# Behind the lock, in a statement of its own: it sees what those who held it before have written.
LOCK_QUEUES_OF: Final = Statement(
    text("""
select x.id from teams x where x.id = :team or x.id in (select m.team_id from team_members m where m.user_id = :agent)
order by x.id for share
"""),
    alone=True,
)

_DRAIN: Final = f"""
insert into jobs (id, tenant_id, kind, input, author)
select gen_random_uuid(), :tenant_id, 'DRAIN', jsonb_build_object('team', q.team_id), cast(:author as jsonb)
from (select m.team_id from team_members m where m.user_id = :agent union select cast(:team as uuid)) q
where q.team_id is not null
  and exists (select from support_tickets s where s.team_id = q.team_id and {WAITING})
  and not exists (
    select from jobs j where j.kind = 'DRAIN' and j.state = 'QUEUED' and j.done = 0 and j.cursor is null
      and j.input = jsonb_build_object('team', q.team_id) for update)
"""  # noqa: S608 - constants

QUEUE_DRAINS: Final = Statement(text(_DRAIN), alone=True)
NOTE_TURN: Final = Statement(
    text("update team_members set assigned_at = :at where team_id = :team and user_id = :agent")
)

DRAIN_NOW: Final = text(_DRAIN).bindparams(
    bindparam("agent", type_=Uuid), bindparam("team", type_=Uuid), bindparam("tenant_id", type_=Uuid)
)

ROOM: Final = text(f"""
select coalesce(sum(greatest(u.capacity - (
  select count(*) from support_tickets s where s.assignee_id = u.id and s.{UNRESOLVED}), 0)), 0)::int
from team_members m join users u on u.id = m.user_id
where m.team_id = :team and u.active and u.available and u.role <> 'CUSTOMER'
""")  # noqa: S608 - constants

NEXT_WAITING: Final = text(f"""
select s.id, s.created_at from support_tickets s
where s.team_id = :team and {WAITING}
  and (cast(:after_at as timestamptz) is null or (s.created_at, s.id) > (cast(:after_at as timestamptz), cast(:after_id as uuid)))
order by s.created_at, s.id limit :count
""")  # noqa: S608 - constants


async def queue_drains(
    connection: AsyncConnection, tenant_id: UUID, author: str, *, agent: UUID | None = None, team: UUID | None = None
) -> None:
    """Ask for a drain of every queue in which an agent stands, or of one team's, where somebody waits."""
    await connection.execute(DRAIN_NOW, {"tenant_id": tenant_id, "author": author, "agent": agent, "team": team})


async def room_of(connection: AsyncConnection, team_id: UUID) -> int:
    """How many more tickets the team's available members can take."""
    return int((await connection.execute(ROOM, {"team": team_id})).scalar_one())


async def next_waiting(
    connection: AsyncConnection, team_id: UUID, after: tuple[datetime, UUID] | None, count: int
) -> Sequence[tuple[UUID, datetime]]:
    """The tickets that wait in a team's queue, the oldest first."""
    at, last = after or (None, None)
    found = await connection.execute(NEXT_WAITING, {"team": team_id, "after_at": at, "after_id": last, "count": count})
    return [(row.id, row.created_at) for row in found]
