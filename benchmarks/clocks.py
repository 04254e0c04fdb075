"""The clocks and breaches of a benchmark's tickets, as roughly as its tickets are: one run each, deadlines by the wall clock."""

from typing import Final
from uuid import UUID

import psycopg

# A week holds 168 hours, of which the tiers' calendars open 40, 60, or all: a deadline lies that much later.
ADD_CLOCKS: Final = """
insert into sla_clocks (tenant_id, ticket_id, kind, cycle, state, tier, severity, definition_id, definition_version, calendar_id,
  target_minutes, started_at, running_since, spent, runs, holds, deadline_at, met_at, breached_at, detected_at, cause, ended_at, waived)
select t.tenant_id, t.id, d.kind, 1, s.state, t.sla_tier, t.severity, d.id, d.version, d.calendar_id, d.target_minutes,
  t.created_at, case when e.ended is null then t.created_at end, coalesce(e.ended - t.created_at, '0') / w.stretch,
  case when e.ended is null then '[]' else
    jsonb_build_array(jsonb_build_object('since', t.created_at, 'until', e.ended, 'calendar_id', d.calendar_id)) end,
  '{}', w.deadline, case when s.state <> 'CANCELLED' then m.met end,
  case when s.state = 'BREACHED' then w.deadline end, case when s.state = 'BREACHED' then w.deadline + interval '40 ms' end,
  case when s.state = 'BREACHED' then 'DEADLINE' end, e.ended, false
from support_tickets t
join sla_definitions d on d.tenant_id = t.tenant_id and d.tier = t.sla_tier and d.severity = t.severity and d.superseded_at is null
cross join lateral (select case d.kind when 'RESOLUTION' then t.resolved_at else t.first_response_at end) m(met)
cross join lateral (select coalesce(m.met, t.closed_at)) e(ended)
cross join lateral (select case t.sla_tier when 'BASIC' then 4.2 when 'PROFESSIONAL' then 2.8 else 1 end) f(stretch)
cross join lateral (select f.stretch, t.created_at + make_interval(mins => (d.target_minutes * f.stretch)::integer)) w(stretch, deadline)
cross join lateral (select case
  when w.deadline < coalesce(e.ended, now()) then 'BREACHED' when m.met is not null then 'MET'
  when e.ended is not null then 'CANCELLED' else 'RUNNING' end) s(state)
where t.tenant_id = %(tenant)s and t.number between %(first)s and %(last)s
"""
ADD_BREACHES: Final = """
insert into sla_breaches (id, tenant_id, ticket_id, kind, cycle, deadline_at, breached_at, detected_at, cause, account_id,
  definition_id, definition_version)
select gen_random_uuid(), c.tenant_id, c.ticket_id, c.kind, c.cycle, c.deadline_at, c.breached_at, c.detected_at, c.cause, t.account_id,
  c.definition_id, c.definition_version
from sla_clocks c join support_tickets t on t.id = c.ticket_id
where c.state = 'BREACHED' and t.tenant_id = %(tenant)s and t.number between %(first)s and %(last)s
"""


def add_clocks(connection: psycopg.Connection, tenant: UUID, first: int, last: int) -> None:
    """Clocks and breaches of the tickets with these numbers."""
    for statement in (ADD_CLOCKS, ADD_BREACHES):
        connection.execute(statement, {"tenant": tenant, "first": first, "last": last})
