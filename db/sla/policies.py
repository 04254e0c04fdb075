"""A tenant's whole current policy in one read, for those who keep the last one they read."""

from typing import Final

from sqlalchemy import text

from db.statements import Statement, composed

# As text: pydantic reads JSON faster than psycopg and pydantic one after the other. Credits are those of all versions, since a
# breach is credited by the version that it broke; their ids are taken from the current rows, of which an index knows the tenant's.
POLICY_COLUMNS: Final = """
t.sla_revision,
case when t.sla_revision is distinct from cast(:known_sla_revision as bigint) then json_build_object(
  'calendars', (
    select coalesce(json_agg(json_build_object('id', c.id, 'version', c.version, 'name', c.name, 'time_zone', c.time_zone,
      'week', c.week, 'holidays', c.holidays, 'country', c.country)), '[]')
    from sla_calendars c where c.tenant_id = t.id and c.superseded_at is null),
  'definitions', (
    select coalesce(json_agg(json_build_object('id', d.id, 'version', d.version, 'tier', d.tier, 'severity', d.severity,
      'kind', d.kind, 'target_minutes', d.target_minutes, 'calendar_id', d.calendar_id)), '[]')
    from sla_definitions d where d.tenant_id = t.id and d.superseded_at is null and d.active),
  'credits', (
    select coalesce(json_agg(json_build_object('id', v.id, 'version', v.version, 'credit', v.credit)), '[]')
    from sla_definitions d join sla_definitions v on v.id = d.id and v.tenant_id = t.id
    where d.tenant_id = t.id and d.superseded_at is null and v.credit is not null),
  'rules', (
    select coalesce(json_agg(json_build_object('id', r.id, 'version', r.version, 'name', r.name, 'trigger', r.trigger,
      'condition', r.condition, 'actions', r.actions, 'repeat', r.repeat) order by r.position, r.created_at, r.id), '[]')
    from escalation_rules r where r.tenant_id = t.id and r.superseded_at is null and r.active)
)::text end as sla_policy"""
"""Columns of a statement over `tenants t`: the revision, and the policy only where it is another than `:known_sla_revision`."""

POLICY: Final = Statement(text(composed("select $columns from tenants t where t.id = :tenant", columns=POLICY_COLUMNS)))
