"""Broken promises: the facts with what was done about them, and writing down what somebody does. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, DateTime, RowMapping, Text, Uuid, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.customers import customer_accounts
from db.tables.sla import sla_breach_actions, sla_breaches
from domain.sla.breaches import BreachAction

FACTS: Final = """
select b.id, b.ticket_id, b.kind, b.cycle, b.deadline_at, b.breached_at, b.detected_at, b.cause, b.account_id,
  b.definition_id, b.definition_version, t.number,
  c.state = 'ANNULLED' as annulled, c.waived, c.spent, c.running_since, c.calendar_id, c.target_minutes,
  a.time_zone, a.currency, a.monthly_fee,
  (select coalesce(sum(x.amount), 0)
   from sla_breaches o join sla_breach_actions x on x.breach_id = o.id and x.action = 'CREDIT' and x.currency = a.currency
   where o.account_id = b.account_id
     and o.breached_at >= date_trunc('month', b.breached_at, 'UTC')
     and o.breached_at < date_trunc('month', b.breached_at, 'UTC') + interval '1 month') as given,
  (select coalesce(json_agg(json_build_object('action', x.action, 'at', x.at, 'actor_id', x.actor_id,
     'actor_name', x.actor_name, 'reason', x.reason, 'amount', x.amount::text, 'currency', x.currency)), '[]')
   from sla_breach_actions x where x.breach_id = b.id) as deeds,
  (select json_build_object('percent', trim_scale(p.percent)::text, 'amount', p.amount::text, 'currency', p.currency)
   from sla_credit_proposals p where p.breach_id = b.id order by p.step desc limit 1) as proposal
from sla_breaches b
join sla_clocks c on c.ticket_id = b.ticket_id and c.kind = b.kind and c.cycle = b.cycle
join support_tickets t on t.id = b.ticket_id
left join customer_accounts a on a.id = b.account_id
"""

BREACH: Final = text(f"{FACTS} where b.id = :breach").bindparams(bindparam("breach", type_=Uuid))
BREACHES: Final = text(
    f"""{FACTS}
where (:since is null or b.breached_at >= :since) and (:until is null or b.breached_at < :until)
  and (:kinds is null or b.kind = any (:kinds)) and (:ticket is null or b.ticket_id = :ticket)
  and (:account is null or b.account_id = :account)
  and (cast(:acknowledged as boolean) is null
       or cast(:acknowledged as boolean) = exists (select from sla_breach_actions x where x.breach_id = b.id and x.action = 'ACKNOWLEDGE'))
  and (:after_at is null or (b.breached_at, b.id) < (:after_at, :after_id))
order by b.breached_at desc, b.id desc
limit :count"""
).bindparams(
    *(bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until", "after_at")),
    *(bindparam(name, type_=Uuid) for name in ("ticket", "account", "after_id")),
    bindparam("kinds", type_=ARRAY(Text)),
    bindparam("acknowledged", type_=Boolean),
)

LOCK_BREACH: Final = (
    select(sla_breaches.c.account_id)
    .where(sla_breaches.c.id == bindparam("breach", type_=Uuid))
    .with_for_update(key_share=True)
)
LOCK_ACCOUNT: Final = (
    select(customer_accounts.c.id)
    .where(customer_accounts.c.id == bindparam("account", type_=Uuid))
    .with_for_update(key_share=True)
)


@dataclass(frozen=True)
class BreachFilters:
    """What a list is narrowed by; the period is half open, and several kinds mean any of them."""

    since: datetime | None = None
    until: datetime | None = None
    kinds: Sequence[str] = ()
    ticket_id: UUID | None = None
    account_id: UUID | None = None
    acknowledged: bool | None = None


async def list_breaches(
    connection: AsyncConnection, filters: BreachFilters, after: tuple[datetime, UUID] | None, count: int
) -> Sequence[RowMapping]:
    """A page of breaches, the latest first."""
    at, last = after if after is not None else (None, None)
    values = {
        "since": filters.since,
        "until": filters.until,
        "kinds": list(filters.kinds) or None,
        "ticket": filters.ticket_id,
        "account": filters.account_id,
        "acknowledged": filters.acknowledged,
        "after_at": at,
        "after_id": last,
        "count": count,
    }
    return (await connection.execute(BREACHES, values)).mappings().all()


async def find_breach(connection: AsyncConnection, breach_id: UUID) -> RowMapping | None:
    """One breach."""
    return (await connection.execute(BREACH, {"breach": breach_id})).mappings().first()


async def lock_breach(connection: AsyncConnection, breach_id: UUID, *, account: bool) -> RowMapping | None:
    """One breach that nobody else acts on until the transaction ends; with `account` nobody credits that account either.

    The facts are read after the locks are held, so that they show what others did until then.
    """
    found = (await connection.execute(LOCK_BREACH, {"breach": breach_id})).first()
    if found is not None and account and found[0] is not None:
        await connection.execute(LOCK_ACCOUNT, {"account": found[0]})
    return await find_breach(connection, breach_id)


async def add_action(
    connection: AsyncConnection, breach_id: UUID, action: BreachAction, values: dict[str, Any]
) -> None:
    """Write down what somebody did about a breach."""
    await connection.execute(insert(sla_breach_actions), {"breach_id": breach_id, "action": action.value, **values})
