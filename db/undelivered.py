"""Answers that did not arrive: who of the staff is told, and what the ticket shows of them. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import Statement, composed
from domain.ids import derived_id

# The notice is the record too, so what fails once more after it was repeated is told once, and shown as of then. Its author is who
# wrote the comment or resolved the ticket; nobody is told that a notice of this kind did not arrive, so there is no loop.
TELL: Final = """
insert into notifications (id, tenant_id, process_id, revision, rung, template, recipient, channel, payload)
select :told, n.tenant_id, n.process_id, n.revision, 'undelivered/' || n.id, 'answer_undelivered',
    coalesce(w.id::text, a.id::text, 'lead:' || coalesce(t.team_id::text, '')), 'PREFERRED',
    jsonb_strip_nulls(jsonb_build_object('number', t.number, 'notice', n.id, 'address', n.recipient, 'reason', cast(:reason as text),
        'at', clock_timestamp(), 'own', w.id is not null, 'commentId', c.id,
        'what', case n.template when 'ticket_reply' then 'answer' else 'resolution' end))
from $rows n
join support_tickets t on t.id = n.process_id
left join ticket_comments c on c.ticket_id = t.id and c.id::text = n.payload ->> 'commentId'
left join ticket_history h on h.process_id = n.process_id and h.revision = n.revision
left join users w on w.id = coalesce(c.author_id, cast(h.actor ->> 'id' as uuid)) and w.active and w.role <> 'CUSTOMER'
left join users a on a.id = t.assignee_id and a.active
where n.id = :id and n.channel = 'EMAIL'
  and (n.template = 'ticket_reply' or (n.template = 'ticket_resolved' and n.payload -> 'resolution' is not null))
on conflict (id) do update set payload = excluded.payload
"""

BOUNCED: Final = text(composed(TELL, rows="notifications"))

# In the statement that ends it: whoever is killed has given it up and told of it, or neither.
GIVE_UP: Final = Statement(
    text(
        composed(
            """
with dead as (
    update notifications
    set dead_at = clock_timestamp(), leased_until = null, last_error = :reason, payload = payload - 'token'
    where (id = :id or digest_id = :id) and delivered_at is null and dead_at is null
    returning *
) $tell
""",
            tell=composed(TELL, rows="dead"),
        )
    )
)

# What got through after all, by a repeat, is no longer shown.
OF_TICKET: Final = text("""
select u.revision, cast(u.payload ->> 'commentId' as uuid) as comment_id, u.payload ->> 'address' as address,
    cast(u.payload ->> 'at' as timestamptz) as at, u.payload ->> 'reason' as reason
from notifications u join notifications n on n.id = cast(u.payload ->> 'notice' as uuid)
where u.process_id = :ticket and u.template = 'answer_undelivered' and u.channel = 'PREFERRED'
  and (n.delivered_at is null or n.delivered_at < cast(u.payload ->> 'at' as timestamptz))
order by at, u.id
""")


def given_up(notice: UUID, reason: str) -> Mapping[str, Any]:
    """What GIVE_UP and BOUNCED are run with."""
    return {"id": notice, "told": derived_id(notice, "undelivered"), "reason": reason}


async def bounced(connection: AsyncConnection, notice: UUID, status: str) -> None:
    """Tell the staff of an answer that came back; of another mail nobody is told."""
    reason = f"The mail came back ({status})." if status else "The mail came back."
    await connection.execute(BOUNCED, given_up(notice, reason))


async def list_undelivered(connection: AsyncConnection, ticket_id: UUID) -> Sequence[Any]:
    """The answers on a ticket that did not arrive, each with the decision that gave it, and its comment where it is one."""
    return (await connection.execute(OF_TICKET, {"ticket": ticket_id})).mappings().all()
