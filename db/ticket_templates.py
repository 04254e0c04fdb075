"""Ticket templates, and the facts that their texts can name. The caller owns the transaction."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.identity import ACCOUNT_OF_ADDRESS, CUSTOMERS_OWN
from db.positions import Ordered
from db.statements import composed
from db.tables.desk import ticket_templates
from domain.customers import mail_domain

TEMPLATES: Final = Ordered(ticket_templates)

TENANT: Final = "(select n.name from tenants n where n.id = nullif(current_setting('summit.tenant', true), '')::uuid)"
CUSTOMER: Final = composed(CUSTOMERS_OWN, column="name", address="$email")

OF_TICKET: Final = text(
    composed(
        """
select 'SUP-' || t.number as "ticket.number", t.subject as "ticket.subject", t.status as "ticket.status",
  t.priority as "ticket.priority", t.severity as "ticket.severity", t.category as "ticket.category",
  t.sla_tier as "ticket.slaTier", t.customer_email as "customer.email",
  $customer as "customer.name",
  a.name as "account.name", w.name as "assignee.name", m.name as "team.name", $tenant as "tenant.name", t.fields
from support_tickets t
left join customer_accounts a on a.id = t.account_id
left join users w on w.id = t.assignee_id
left join teams m on m.id = t.team_id
where t.id = :ticket
""",
        customer=composed(CUSTOMER, email="t.customer_email"),
        tenant=TENANT,
    )
).bindparams(bindparam("ticket", type_=Uuid))

OF_REQUEST: Final = text(
    composed(
        """
select $customer as "customer.name", $tenant as "tenant.name",
  (select a.name from customer_accounts a where a.id = coalesce(
    $known,
    (select d.account_id from account_domains d where d.domain = :domain))) as "account.name",
  (select w.name from users w where w.id = :assignee) as "assignee.name",
  (select m.name from teams m where m.id = :team) as "team.name"
""",
        customer=composed(CUSTOMER, email="cast(:email as text)"),
        known=ACCOUNT_OF_ADDRESS,
        tenant=TENANT,
    )
).bindparams(bindparam("assignee", type_=Uuid), bindparam("team", type_=Uuid))


async def facts_of_ticket(connection: AsyncConnection, ticket_id: UUID) -> dict[str, Any] | None:
    """What texts can name of a ticket, by the names of variables, and its `fields`."""
    row = (await connection.execute(OF_TICKET, {"ticket": ticket_id})).mappings().first()
    return dict(row) if row else None


async def facts_of_request(
    connection: AsyncConnection, email: str, assignee: UUID | None, team: UUID | None
) -> dict[str, Any]:
    """What texts can name before there is a ticket."""
    values = {"email": email, "domain": mail_domain(email), "assignee": assignee, "team": team}
    return dict((await connection.execute(OF_REQUEST, values)).mappings().one())
