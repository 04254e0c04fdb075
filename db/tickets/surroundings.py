"""What a decision on a ticket reads, in one statement each. The caller owns the transaction."""

from typing import Final

from sqlalchemy import text

from db.identity import ACCOUNT_OF_ADDRESS
from db.routing import RULE_COLUMNS
from db.sla.policies import POLICY_COLUMNS as SLA_COLUMNS
from db.statements import Statement, composed

POLICY_COLUMNS = (
    "t.remind_after_minutes, t.resolve_after_minutes, t.reopen_grace_minutes, t.acknowledge, t.merge_reopens"
)
# Who has closed a ticket on another desk need not work on this one.
KNOWN_COLUMNS = """
  exists (select from users u where u.id = cast(:assignee as uuid) and u.role <> 'CUSTOMER'
    and (u.active or cast(:past as boolean))) as assignee_known,
  exists (select from teams m where m.id = cast(:team as uuid)) as team_known"""

ACCOUNT_COLUMNS = "a.time_zone, a.monthly_fee, a.currency"

COLUMNS = f"{POLICY_COLUMNS}, {KNOWN_COLUMNS}, {SLA_COLUMNS}, {RULE_COLUMNS}, {ACCOUNT_COLUMNS}"
"""What every decision reads."""

# How often the sender has been told lately that a mail has come: of one subject, and of any.
GREETED = """(
  select array[count(*) filter (where n.payload ->> 'subjectKey' = :subject_key), count(*)] from notifications n
  where n.tenant_id = t.id and n.channel = 'EMAIL' and n.recipient = :email and n.template = 'ticket_received'
    and n.created_at > clock_timestamp() - interval '180 minutes')"""

CREATION = Statement(
    text(
        composed(
            """
select $columns,
  case when :greets then $greeted end as greeted,
  nextval(format('ticket_numbers.%I', t.id)::regclass) as number, a.id as account_id, a.tier as account_tier
from tenants t
left join customer_accounts a on a.id = coalesce(
  $known,
  (select d.account_id from account_domains d where d.tenant_id = t.id and d.domain = :domain))
where t.id = :tenant
""",
            columns=COLUMNS,
            greeted=GREETED,
            known=ACCOUNT_OF_ADDRESS,
        )
    )
)
"""What the creation of a ticket reads: settings, the next number, and the customer's account, by user or by domain."""

# Read only where a credit may be proposed, or nothing more follows from a breach.
BREACH_COLUMNS = """
  case when s.sla_standing = 'breached' then (
    select json_agg(json_build_array(x.breach_id, x.action))
    from sla_breaches b join sla_breach_actions x on x.breach_id = b.id
    where b.ticket_id = s.id and x.action in ('WAIVE', 'CREDIT')) end as deeds,
  case when a.monthly_fee > 0 and (s.sla_standing = 'breached' or s.next_deadline_at <= :asked) then (
    select json_agg(json_build_array(m.month, m.amount::text)) from (
      select date_trunc('month', b.breached_at, 'UTC') as month, sum(x.amount) as amount
      from sla_breaches b join sla_breach_actions x on x.breach_id = b.id and x.action = 'CREDIT' and x.currency = a.currency
      where b.account_id = a.id and b.breached_at >= date_trunc('month', s.created_at, 'UTC')
      group by 1) m) end as granted"""

# The rating of the latest resolution; most tickets have none to look for.
RATING_COLUMN = """
  case when s.resolved_at is not null or s.reopens > 0 then (
    select r.score from ticket_ratings r
    where r.ticket_id = s.id and r.resolution = s.reopens + case when s.resolved_at is null then 0 else 1 end) end as satisfaction"""

SURROUNDINGS = Statement(
    text(
        composed(
            """
select $columns, $breaches, $rating, s.description
from tenants t
left join support_tickets s on s.id = :ticket
left join customer_accounts a on a.id = s.account_id
where t.id = :tenant
""",
            columns=COLUMNS,
            breaches=BREACH_COLUMNS,
            rating=RATING_COLUMN,
        )
    )
)
"""What any other decision on a ticket reads."""

GROUND: Final = (CREATION, SURROUNDINGS)
"""Of these each decision reads one."""

FILES = Statement(
    text("""
select count(*) = cardinality(cast(:files as uuid[])) as files_known from (
  select from attachments a
  where a.id = any(cast(:files as uuid[])) and (a.ticket_id is null or a.ticket_id in (:ticket, cast(:origin as uuid)))
    and not exists (select from ticket_attachments x where x.attachment_id = a.id)
  for key share of a) held
""")
)
"""Whether all files are there for the ticket or for the one that it goes on from, and belong to nothing said before. What is unused
is dropped one day; not these, at this moment."""

TARGET = Statement(text("select id, number, status, account_id, customer_email from support_tickets where id = :into"))
"""The ticket to merge into; its process's row is locked."""

RELATED = Statement(
    text("""
select
  case cast(:type as text) when 'TICKET' then exists (select from support_tickets s where s.id = :target) else false end
    as link_known,
  exists (select from users u where u.id = :watcher and u.role <> 'CUSTOMER' and u.active) as watcher_known
""")
)
"""Whether what is to be related is there. Articles and incidents are of areas that are not there yet."""
