"""Account queries and record writes. Statements are built once; the caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, RowMapping, Text, Uuid, bindparam, delete, func, insert, or_, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.customers import account_domains, customer_accounts

Row = RowMapping

domains: Final = (
    select(
        func.coalesce(
            func.array_agg(aggregate_order_by(account_domains.c.domain, account_domains.c.domain)), sql("'{}'")
        )
    )
    .where(account_domains.c.account_id == customer_accounts.c.id)
    .scalar_subquery()
    .label("domains")
)
COLUMNS: Final = [column for column in customer_accounts.c if column.name != "tenant_id"]

_id = bindparam("id", type_=Uuid)
_own = bindparam("own", type_=Uuid)
_q = bindparam("q", type_=Text)
_tiers = bindparam("tiers", type_=ARRAY(Text))
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)

ACCOUNT: Final = select(*COLUMNS, domains).where(customer_accounts.c.id == _id)
ACCOUNT_FOR_UPDATE: Final = ACCOUNT.with_for_update(of=customer_accounts)
ACCOUNT_LIST: Final = (
    select(*COLUMNS, domains)
    .where(
        or_(
            _after_at.is_(None),
            func.row(customer_accounts.c.created_at, customer_accounts.c.id) < func.row(_after_at, _after_id),
        ),
        or_(_own.is_(None), customer_accounts.c.id == _own),
        or_(_tiers.is_(None), customer_accounts.c.tier == func.any(_tiers)),
        or_(_q.is_(None), func.strpos(func.lower(customer_accounts.c.name), func.lower(_q)) > 0),
    )
    .order_by(customer_accounts.c.created_at.desc(), customer_accounts.c.id.desc())
    .limit(bindparam("count"))
)
LEAVE_DOMAINS: Final = delete(account_domains).where(account_domains.c.account_id == _id)
ADD_DOMAINS: Final = insert(account_domains).from_select(
    ["account_id", "domain"],
    select(bindparam("id", type_=Uuid), func.unnest(bindparam("names", type_=ARRAY(Text)))),
)


async def find_account(connection: AsyncConnection, account_id: UUID, *, lock: bool = False) -> Row | None:
    """One account with its domains; with `lock` nobody else changes it until the transaction ends."""
    statement = ACCOUNT_FOR_UPDATE if lock else ACCOUNT
    return (await connection.execute(statement, {"id": account_id})).mappings().first()


async def list_accounts(
    connection: AsyncConnection,
    *,
    count: int,
    after: tuple[datetime, UUID] | None,
    q: str | None,
    tiers: Sequence[str] | None,
    own: UUID | None,
) -> Sequence[Row]:
    """Accounts, the newest first; with `own` only that one."""
    at, last = after if after is not None else (None, None)
    values = {"after_at": at, "after_id": last, "count": count, "q": q, "tiers": tiers, "own": own}
    return (await connection.execute(ACCOUNT_LIST, values)).mappings().all()


async def add_account(connection: AsyncConnection, values: Mapping[str, Any], names: Sequence[str]) -> None:
    """Write an account and its domains."""
    await connection.execute(insert(customer_accounts), values)
    await _claim(connection, values["id"], names)


async def change_account(connection: AsyncConnection, before: Row, changes: Mapping[str, Any]) -> None:
    """Change the fields given, `domains` among them, of a locked account; the version moves only with them."""
    moved = {name: value for name, value in changes.items() if before[name] != value}
    names = moved.pop("domains", None)
    if names is not None and sorted(names) != before["domains"]:
        await connection.execute(LEAVE_DOMAINS, {"id": before["id"]})
        await _claim(connection, before["id"], names)
    elif not moved:
        return
    await connection.execute(
        update(customer_accounts)
        .where(customer_accounts.c.id == before["id"])
        .values(**moved, version=customer_accounts.c.version + 1, updated_at=func.now())
    )


async def _claim(connection: AsyncConnection, account_id: UUID, names: Sequence[str]) -> None:
    if names:
        await connection.execute(ADD_DOMAINS, {"id": account_id, "names": list(names)})
