"""The answers kept for requests that come again under the same Idempotency-Key. The caller owns the transaction."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Integer, RowMapping, Text, bindparam, delete, func, null, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.identity import idempotency_keys as keys

KEPT: Final = text("interval '24 hours'")
PURGED_AT_ONCE: Final = 20

_identity = tuple(keys.c[name] == bindparam(f"of_{name}", type_=Text) for name in ("principal", "route", "key"))

RESERVE: Final = (
    insert(keys)
    .values(
        tenant_id=text("nullif(current_setting('summit.tenant', true), '')::uuid"),
        principal=bindparam("of_principal"),
        route=bindparam("of_route"),
        key=bindparam("of_key"),
        fingerprint=bindparam("fingerprint"),
    )
    .on_conflict_do_update(
        constraint="pk_idempotency_keys",
        set_={
            "fingerprint": bindparam("fingerprint"),
            "status": null(),
            "headers": text("'{}'"),
            "body": null(),
            "created_at": func.now(),
        },
        where=keys.c.created_at < func.now() - KEPT,
    )
    .returning(keys.c.key)
)
EARLIER: Final = select(keys.c.fingerprint, keys.c.status, keys.c.headers, keys.c.body).where(*_identity)
KEEP: Final = (
    update(keys)
    .where(*_identity)
    .values(
        status=bindparam("status", type_=Integer),
        headers=bindparam("headers", type_=JSONB),
        body=bindparam("body", type_=Text),
    )
)
_expired = (
    select(keys.c.principal, keys.c.route, keys.c.key)
    .where(keys.c.created_at < func.now() - KEPT)
    .limit(PURGED_AT_ONCE)
    .with_for_update(skip_locked=True)
    .subquery()
)
PURGE: Final = delete(keys).where(
    keys.c.principal == _expired.c.principal, keys.c.route == _expired.c.route, keys.c.key == _expired.c.key
)


async def reserve(connection: AsyncConnection, identity: Mapping[str, str], fingerprint: str) -> bool:
    """Claim a key; False when it is taken. Waits for a request that is claiming it at this moment."""
    await connection.execute(PURGE)
    claimed = await connection.execute(RESERVE, {**identity, "fingerprint": fingerprint})
    return claimed.first() is not None


async def earlier(connection: AsyncConnection, identity: Mapping[str, str]) -> RowMapping | None:
    """The answer kept under a key, with the fingerprint of the body that it answered."""
    return (await connection.execute(EARLIER, identity)).mappings().first()


async def keep(
    connection: AsyncConnection, identity: Mapping[str, str], status: int, headers: Mapping[str, str], body: str
) -> None:
    """Keep the answer to the request that claimed the key."""
    await connection.execute(KEEP, {**identity, "status": status, "headers": dict(headers), "body": body})
