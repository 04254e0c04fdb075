"""What is read of the desk to judge a mail, in three statements at most. The caller owns the transaction."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, RowMapping, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

Row = RowMapping

# The sender as a user, the account of their domain, and the mailbox with its tenant: one row. Text functions are not leakproof,
# so under row-level security no index of users would serve them: a function of its own finds the address, and what is read of
# a recipient is read before the join.
WHO: Final = text("""
select t.slug, t.mail_key, m.id as mailbox_id, m.address, m.team_id, m.category,
    (select array_agg(b.address) from mailboxes b where b.active) as addresses,
    u.id as user_id, u.role, u.name, u.account_id as user_account_id,
    (select d.account_id from account_domains d where d.domain = :domain) as account_id
from mailboxes m join tenants t on t.id = m.tenant_id
left join (select f.id from user_by_address(:author) f where f.active limit 1) a on true
left join users u on u.id = a.id
where m.id = :mailbox
""").bindparams(bindparam("mailbox", type_=Uuid))

# Which of our mails these ids are, and which of those that came to us, by whatever mailbox.
REFERRED: Final = text("""
with ours as materialized (
    select id, process_id, recipient,
        case when recipient ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then recipient::uuid end as user_id
    from notifications where id = any(:notices)
)
select 'NOTICE' as kind, n.id, null as message_id, n.process_id as ticket_id, lower(coalesce(u.email, n.recipient)) as address,
    null::uuid as mailbox_id, null as state, null::timestamptz as received_at, null::uuid as comment_id
from ours n left join users u on u.id = n.user_id
union all
select 'MAIL', m.id, m.message_id, m.ticket_id, m.author, m.mailbox_id, m.state, m.received_at, m.comment_id
from inbound_mails m where m.message_id = any(:messages) and m.id <> :mail
""").bindparams(
    bindparam("notices", type_=ARRAY(Uuid)), bindparam("messages", type_=ARRAY(Text)), bindparam("mail", type_=Uuid)
)

TICKETS: Final = text("""
select t.id, t.number, t.status, t.customer_email, t.subject, t.priority, t.severity, t.category, t.cc, t.account_id, t.mailbox_id,
    t.created_at
from support_tickets t where t.id = any(:tickets) or t.number = :number
""").bindparams(bindparam("tickets", type_=ARRAY(Uuid)))


async def who(connection: AsyncConnection, mailbox_id: UUID, author: str, domain: str | None) -> Row:
    """The mailbox, its tenant, and what is known of the author."""
    values = {"mailbox": mailbox_id, "author": author, "domain": domain}
    return (await connection.execute(WHO, values)).mappings().one()


async def referred(
    connection: AsyncConnection, mail_id: UUID, notices: Sequence[UUID], messages: Sequence[str]
) -> Sequence[Row]:
    """The mails that these ids name, ours and others."""
    values = {"mail": mail_id, "notices": list(notices), "messages": list(messages)}
    return (await connection.execute(REFERRED, values)).mappings().all()


async def tickets(connection: AsyncConnection, ids: Sequence[UUID], number: int | None) -> list[dict[str, Any]]:
    """The tickets with these ids or this number."""
    rows = await connection.execute(TICKETS, {"tickets": list(ids), "number": number})
    return [dict(row) for row in rows.mappings()]
