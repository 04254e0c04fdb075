"""The queues of teams: who waits, who has room, and the jobs that bring them together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement, composed

UNRESOLVED: Final = "status not in ('RESOLVED','CLOSED','CANCELLED')"
WAITING: Final = (
    f"s.assignee_id is null and s.route is not null and s.{UNRESOLVED} and s.route ->> 'method' <> 'MANUAL'"
)

PRESENT: Final = "u.active and u.available and u.role <> 'CUSTOMER'"
LOAD: Final = composed(
    "(select count(*) from support_tickets s where s.assignee_id = u.id and s.$unresolved)", unresolved=UNRESOLVED
)
FREE: Final = composed(
    """
select m.team_id, u.id, array(select lower(x) from unnest(u.skills) x) as skills, r.room
from team_members m join users u on u.id = m.user_id cross join lateral (select u.capacity - $load as room) r
where $present and r.room > 0 and m.team_id""",
    load=LOAD,
    present=PRESENT,
)
"""Who has room in the teams that follow."""
KIND: Final = "coalesce(s.route -> 'skills', '[]') as skills, coalesce(s.route -> 'declined_by', '[]') as declined_by"
KINDS: Final = composed(
    "select distinct s.team_id, $kind from support_tickets s where $waiting and s.team_id", kind=KIND, waiting=WAITING
)
"""What those who wait in the teams that follow ask for: thousands may wait for the same, which is compared with members once."""
ABLE: Final = """
f.team_id = k.team_id and f.skills @> array(select lower(x) from jsonb_array_elements_text(k.skills) x)
and not k.declined_by ? f.id::text"""
"""Whether the member `f` can take a ticket of the kind `k`, as `domain.tickets.routing.choose` has it."""

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
    text(
        composed(
            """
with free as materialized ($free = :team), kinds as materialized ($kinds = :team)
select cast(:team as uuid) as team_id,
  cast(:joins as boolean) and exists (select from free f where exists (select from kinds k where $able)) as waiting,
  (select coalesce(json_agg(json_build_object('user_id', u.id, 'skills', u.skills, 'capacity', u.capacity,
     'assigned_at', m.assigned_at, 'load', $load)), '[]')
   from team_members m join users u on u.id = m.user_id
   where m.team_id = :team and $present and u.capacity > 0) as candidates
""",
            free=FREE,
            kinds=KINDS,
            able=ABLE,
            load=LOAD,
            present=PRESENT,
        )
    )
)
"""Who could get a ticket; for one that `:joins` the line also whether others wait whom somebody could take."""

# Behind the lock, in a statement of its own: it sees what those who held it before have written.
LOCK_QUEUES_OF: Final = Statement(
    text("""
select x.id from teams x
where x.id = :team or x.id in (select m.team_id from team_members m where m.user_id = any(cast(:agents as uuid[])))
order by x.id for share
"""),
    alone=True,
)

_DRAIN: Final = composed(
    """
with q as materialized (
  select m.team_id from team_members m where m.user_id = :agent union select unnest(cast(:teams as uuid[]))
), free as materialized ($free in (select q.team_id from q)),
kinds as materialized ($kinds = any(array(select f.team_id from free f)))
insert into jobs (id, tenant_id, kind, input, author)
select gen_random_uuid(), :tenant_id, 'DRAIN', jsonb_build_object('team', q.team_id), cast(:author as jsonb)
from q
where exists (select from free f where f.team_id = q.team_id and exists (select from kinds k where $able))
  and not exists (
    select from jobs j where j.kind = 'DRAIN' and j.state = 'QUEUED' and j.done = 0 and j.cursor is null
      and j.input = jsonb_build_object('team', q.team_id) for update)
""",
    free=FREE,
    kinds=KINDS,
    able=ABLE,
)

QUEUE_DRAINS: Final = Statement(text(_DRAIN), alone=True)
NOTE_TURN: Final = Statement(
    text("update team_members set assigned_at = :at where team_id = :team and user_id = :agent")
)

DRAIN_NOW: Final = text(_DRAIN).bindparams(
    bindparam("agent", type_=Uuid), bindparam("teams", type_=ARRAY(Uuid)), bindparam("tenant_id", type_=Uuid)
)

NEXT_WAITING: Final = text(
    composed(
        """
with free as materialized ($free = :team), kinds as materialized ($kinds = :team),
wanted as materialized (select k.* from kinds k where exists (select from free f where $able))
select s.id, s.created_at from support_tickets s cross join lateral (select $kind) as k
where s.team_id = :team and $waiting and (k.skills, k.declined_by) in (select w.skills, w.declined_by from wanted w)
  and (cast(:after_at as timestamptz) is null or (s.created_at, s.id) > (cast(:after_at as timestamptz), cast(:after_id as uuid)))
order by s.created_at, s.id limit least(:count, (select sum(f.room) from free f))
""",
        free=FREE,
        kinds=KINDS,
        kind=KIND,
        able=ABLE,
        waiting=WAITING,
    )
)

WAITING_TEAMS: Final = text("select tenant_id, array_agg(team_id) as teams from waiting_teams() group by tenant_id")


async def queue_drains(
    connection: AsyncConnection,
    tenant_id: UUID,
    author: str,
    *,
    agent: UUID | None = None,
    teams: Sequence[UUID] = (),
) -> None:
    """Ask for a drain of every queue in which an agent stands, and of these teams', where somebody waits whom somebody can take."""
    values = {"tenant_id": tenant_id, "author": author, "agent": agent, "teams": list(teams)}
    await connection.execute(DRAIN_NOW, values)


async def waiting_teams(connection: AsyncConnection) -> Sequence[tuple[UUID, Sequence[UUID]]]:
    """The teams in whose queues somebody waits, of all tenants, by tenant."""
    return [(row.tenant_id, row.teams) for row in await connection.execute(WAITING_TEAMS)]


async def next_waiting(
    connection: AsyncConnection, team_id: UUID, after: tuple[datetime, UUID] | None, count: int
) -> Sequence[tuple[UUID, datetime]]:
    """The tickets that wait in a team's queue and that somebody with room can take, the oldest first."""
    at, last = after or (None, None)
    found = await connection.execute(NEXT_WAITING, {"team": team_id, "after_at": at, "after_id": last, "count": count})
    return [(row.id, row.created_at) for row in found]
