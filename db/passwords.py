"""Tokens that let somebody set a password once. Only their hashes are here. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Interval, RowMapping, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

CANDIDATES: Final = text("select * from reset_candidates(:address)")
HOLDER: Final = text("select * from token_holder(:hash)")

LOCK_USER: Final = text("select id from users where id = :user for update")
LOCK_HOLDER: Final = text("""
select u.id from users u join password_tokens p on p.user_id = u.id where p.hash = :hash for update of u
""")
ADD: Final = text("""
insert into password_tokens (user_id, purpose, hash, expires_at)
select :user, :purpose, :hash, clock_timestamp() + :lifetime
where not exists (
    select from password_tokens p where p.user_id = :user and p.purpose = :purpose and p.created_at > clock_timestamp() - :pause
)
returning id
""").bindparams(
    bindparam("user", type_=Uuid),
    bindparam("purpose", type_=Text),
    bindparam("lifetime", type_=Interval),
    bindparam("pause", type_=Interval),
)

USE: Final = text("""
with used as (
    update password_tokens set used_at = clock_timestamp()
    where hash = :hash and used_at is null and expires_at > clock_timestamp()
    returning user_id, created_at
), earlier as (
    update password_tokens p set used_at = clock_timestamp() from used u
    where p.user_id = u.user_id and p.hash <> :hash and p.used_at is null and p.created_at < u.created_at
)
update users set password_hash = :password, password_set_at = clock_timestamp() from used u where users.id = u.user_id and users.active
returning users.id
""")

END: Final = text("""
update password_tokens set used_at = clock_timestamp() where user_id = :user and used_at is null
""").bindparams(bindparam("user", type_=Uuid))


async def reset_candidates(connection: AsyncConnection, address: str) -> Sequence[RowMapping]:
    """The active people with this address, in any tenant: tenant, slug, user."""
    return (await connection.execute(CANDIDATES, {"address": address})).mappings().all()


async def token_holder(connection: AsyncConnection, token_hash: str) -> RowMapping | None:
    """Tenant and user of a token that is good."""
    return (await connection.execute(HOLDER, {"hash": token_hash})).mappings().first()


async def add_token(
    connection: AsyncConnection, user: UUID, purpose: str, token_hash: str, lifetime: timedelta, pause: timedelta
) -> bool:
    """Write a token; False when the user got one for the same purpose within the pause."""
    # Locked first: of requests at the same moment the second must see what the first has written.
    await connection.execute(LOCK_USER, {"user": user})
    values = {"user": user, "purpose": purpose, "hash": token_hash, "lifetime": lifetime, "pause": pause}
    return (await connection.execute(ADD, values)).first() is not None


async def use_token(connection: AsyncConnection, token_hash: str, password_hash: str) -> UUID | None:
    """Set the password of a token's holder and use up this token and earlier ones; None when it is not good any more."""
    # The user first, as everybody else does: who changes the address meanwhile ends this token, and neither waits for the other.
    await connection.execute(LOCK_HOLDER, {"hash": token_hash})
    found: UUID | None = (await connection.execute(USE, {"hash": token_hash, "password": password_hash})).scalar()
    return found


async def end_tokens(connection: AsyncConnection, user: UUID) -> None:
    """Use up every token that a user has been sent."""
    await connection.execute(END, {"user": user})
