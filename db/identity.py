"""Identity queries and record writes. Statements are built once; the caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    DateTime,
    RowMapping,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import composed
from db.tables.identity import team_members, teams, users
from domain.identity import Role

Row = RowMapping

LOGIN_CANDIDATES: Final = sql("select * from login_candidates(:address)")
PUBLIC_TENANT: Final = sql("select id, slug from public_tenant(cast(:named as text), cast(:host as text))")

# A predicate on the address itself finds no index under row-level security.
CUSTOMERS_OWN: Final = """(
  select u.$column from user_by_address($address) f join users u on u.id = f.id where u.role = 'CUSTOMER')"""
"""What stands with the customer who has an address."""
ACCOUNT_OF_ADDRESS: Final = composed(CUSTOMERS_OWN, column="account_id", address="cast(:email as text)")

BY_ADDRESS: Final = sql("select id, active from user_by_address(:address)")
PROVISION: Final = upsert(users).on_conflict_do_nothing().returning(users.c.id)

CALLER: Final = select(
    users.c.id,
    users.c.name,
    users.c.email,
    users.c.role,
    users.c.account_id,
    users.c.time_zone,
    users.c.preferences,
    users.c.password_set_at,
).where(users.c.id == bindparam("id", type_=Uuid), users.c.active)
SIGNING_IN: Final = select(users.c.role, users.c.password_set_at).where(
    users.c.id == bindparam("id", type_=Uuid), users.c.active, users.c.password_hash == bindparam("stored", type_=Text)
)

team_ids: Final = (
    select(
        func.coalesce(func.array_agg(aggregate_order_by(team_members.c.team_id, team_members.c.team_id)), sql("'{}'"))
    )
    .where(team_members.c.user_id == users.c.id)
    .scalar_subquery()
    .label("team_ids")
)
HIDDEN: Final = frozenset(("tenant_id", "password_hash", "password_set_at", "preferences"))
USER_COLUMNS: Final = [column for column in users.c if column.name not in HIDDEN]
USER: Final = select(*USER_COLUMNS, team_ids).where(users.c.id == bindparam("id", type_=Uuid))
USER_FOR_UPDATE: Final = (
    select(users.c.version, users.c.email, users.c.role, users.c.password_hash.is_(None).label("pending"))
    .where(users.c.id == bindparam("id", type_=Uuid))
    .with_for_update()
)

ADMINS_FOR_UPDATE: Final = (
    select(users.c.id).where(users.c.role == Role.ADMIN, users.c.active).order_by(users.c.id).with_for_update()
)

_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)
_q = bindparam("q", type_=Text)
_roles = bindparam("roles", type_=ARRAY(Text))
_active = cast(bindparam("active"), Boolean)

USER_LIST: Final = (
    select(*USER_COLUMNS, team_ids)
    .where(
        or_(_after_at.is_(None), func.row(users.c.created_at, users.c.id) < func.row(_after_at, _after_id)),
        or_(_roles.is_(None), users.c.role == func.any(_roles)),
        or_(_active.is_(None), users.c.active == _active),
        or_(
            _q.is_(None),
            func.strpos(func.lower(users.c.name), func.lower(_q)) > 0,
            func.strpos(func.lower(users.c.email), func.lower(_q)) > 0,
        ),
    )
    .order_by(users.c.created_at.desc(), users.c.id.desc())
    .limit(bindparam("count"))
)

member_ids: Final = (
    select(
        func.coalesce(func.array_agg(aggregate_order_by(team_members.c.user_id, team_members.c.user_id)), sql("'{}'"))
    )
    .where(team_members.c.team_id == teams.c.id)
    .scalar_subquery()
    .label("member_ids")
)
TEAM_COLUMNS: Final = [column for column in teams.c if column.name != "tenant_id"]
TEAM: Final = select(*TEAM_COLUMNS, member_ids).where(teams.c.id == bindparam("id", type_=Uuid))
TEAM_LIST: Final = (
    select(*TEAM_COLUMNS, member_ids)
    .where(
        or_(_after_at.is_(None), func.row(teams.c.created_at, teams.c.id) < func.row(_after_at, _after_id)),
        or_(_q.is_(None), func.strpos(func.lower(teams.c.name), func.lower(_q)) > 0),
    )
    .order_by(teams.c.created_at.desc(), teams.c.id.desc())
    .limit(bindparam("count"))
)

ADD_MEMBERS: Final = insert(team_members).from_select(
    ["team_id", "user_id"],
    select(func.unnest(bindparam("teams", type_=ARRAY(Uuid))), func.unnest(bindparam("members", type_=ARRAY(Uuid)))),
)
TEAMS_OF: Final = select(team_members.c.team_id).where(team_members.c.user_id == bindparam("member", type_=Uuid))
LEAVE_TEAMS: Final = delete(team_members).where(
    team_members.c.user_id == bindparam("member", type_=Uuid),
    team_members.c.team_id == func.any(bindparam("teams", type_=ARRAY(Uuid))),
)
REHASH: Final = (
    update(users)
    .where(users.c.id == bindparam("user", type_=Uuid), users.c.password_hash == bindparam("old", type_=Text))
    .values(password_hash=bindparam("new", type_=Text))
)

CHANGE_PREFERENCES: Final = (
    update(users)
    .where(users.c.id == bindparam("user", type_=Uuid))
    .values(preferences=bindparam("wanted", type_=users.c.preferences.type))
)

VISIBLE: Final = frozenset(
    ("email", "name", "role", "account_id", "time_zone", "active", "available", "skills", "capacity")
)
"""The fields of a user that PATCH can change and that a reader sees; only they move the version."""


async def login_candidates(connection: AsyncConnection, address: str) -> Sequence[Row]:
    """Who may be signing in with this address, in any tenant: tenant, slug, user and password hash."""
    return (await connection.execute(LOGIN_CANDIDATES, {"address": address})).mappings().all()


async def public_tenant(connection: AsyncConnection, named: str | None, host: str) -> Row | None:
    """The tenant of a public call, by slug, else host, else the only one, else the default."""
    return (await connection.execute(PUBLIC_TENANT, {"named": named, "host": host})).mappings().first()


async def find_caller(connection: AsyncConnection, user_id: UUID) -> Row | None:
    """The active user with this id."""
    return (await connection.execute(CALLER, {"id": user_id})).mappings().first()


async def user_by_address(connection: AsyncConnection, address: str) -> Row | None:
    """The user of the transaction's tenant with this address, and whether it is active."""
    return (await connection.execute(BY_ADDRESS, {"address": address})).mappings().first()


async def provision(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Write a user without a password, unless somebody has the address by now; then False."""
    return (await connection.execute(PROVISION, values)).first() is not None


async def find_signing_in(connection: AsyncConnection, user_id: UUID, stored: str) -> Row | None:
    """Role and last change of password of an active user whose hash is still the one that was compared with."""
    return (await connection.execute(SIGNING_IN, {"id": user_id, "stored": stored})).mappings().first()


async def find_user(connection: AsyncConnection, user_id: UUID) -> Row | None:
    """One user with its teams."""
    return (await connection.execute(USER, {"id": user_id})).mappings().first()


async def list_users(
    connection: AsyncConnection,
    *,
    count: int,
    after: tuple[datetime, UUID] | None,
    q: str | None,
    roles: Sequence[str] | None,
    active: bool | None,
) -> Sequence[Row]:
    """Users, the newest first."""
    values = {**_after(after), "count": count, "q": q, "roles": roles, "active": active}
    return (await connection.execute(USER_LIST, values)).mappings().all()


async def add_user(connection: AsyncConnection, values: Mapping[str, Any], teams_of: Sequence[UUID]) -> None:
    """Write a user and its teams."""
    await connection.execute(insert(users), values)
    await _join(connection, values["id"], teams_of)


async def lock_user(connection: AsyncConnection, user_id: UUID) -> Row | None:
    """Version, address, role and whether a password is still to be chosen (`pending`) of a user, locked until the transaction ends."""
    return (await connection.execute(USER_FOR_UPDATE, {"id": user_id})).mappings().first()


async def lock_admins(connection: AsyncConnection) -> set[UUID]:
    """The administrators there are, locked until the transaction ends: two of them must not put each other out at once."""
    return set((await connection.execute(ADMINS_FOR_UPDATE)).scalars())


async def change_user(
    connection: AsyncConnection, user_id: UUID, values: Mapping[str, Any], teams_of: Sequence[UUID] | None
) -> None:
    """Change the fields given; the version moves only when one that can be seen has a new value.

    In a team that stays the user's place in its queue stays too.
    """
    joined: set[UUID] = set()
    left: set[UUID] = set()
    if teams_of is not None:
        before = set((await connection.execute(TEAMS_OF, {"member": user_id})).scalars())
        joined, left = set(teams_of) - before, before - set(teams_of)
    if values or joined or left:
        if "password_hash" in values:
            values = {**values, "password_set_at": func.clock_timestamp()}
        moved = [users.c[name].is_distinct_from(value) for name, value in values.items() if name in VISIBLE]
        differs = or_(*moved, literal(bool(joined or left)))
        await connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(
                **values,
                version=users.c.version + case((differs, 1), else_=0),
                updated_at=case((differs, func.now()), else_=users.c.updated_at),
            )
        )
    if left:
        await connection.execute(LEAVE_TEAMS, {"member": user_id, "teams": list(left)})
    await _join(connection, user_id, sorted(joined))


async def rehash(connection: AsyncConnection, user_id: UUID, old: str, new: str) -> None:
    """Replace a password's hash, unless the password has changed meanwhile."""
    await connection.execute(REHASH, {"user": user_id, "old": old, "new": new})


async def change_preferences(connection: AsyncConnection, user_id: UUID, preferences: Mapping[str, Any]) -> None:
    """Set what a person wants of us; the user's version stays, because nobody else sees it."""
    await connection.execute(CHANGE_PREFERENCES, {"user": user_id, "wanted": dict(preferences)})


async def find_team(connection: AsyncConnection, team_id: UUID) -> Row | None:
    """One team with its members."""
    return (await connection.execute(TEAM, {"id": team_id})).mappings().first()


async def list_teams(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, UUID] | None, q: str | None
) -> Sequence[Row]:
    """Teams, the newest first."""
    return (await connection.execute(TEAM_LIST, {**_after(after), "count": count, "q": q})).mappings().all()


async def add_team(connection: AsyncConnection, values: Mapping[str, Any], members: Sequence[UUID]) -> None:
    """Write a team and its members."""
    await connection.execute(insert(teams), values)
    distinct = list(dict.fromkeys(members))
    if distinct:
        await connection.execute(ADD_MEMBERS, {"teams": [values["id"]] * len(distinct), "members": distinct})


async def _join(connection: AsyncConnection, user_id: UUID, teams_of: Sequence[UUID]) -> None:
    distinct = list(dict.fromkeys(teams_of))
    if distinct:
        await connection.execute(ADD_MEMBERS, {"teams": distinct, "members": [user_id] * len(distinct)})


def _after(after: tuple[datetime, UUID] | None) -> dict[str, Any]:
    at, last = after if after is not None else (None, None)
    return {"after_at": at, "after_id": last}
