"""Records that come with an import: what there is already, and what is added. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.customers import account_domains, customer_accounts
from db.tables.identity import teams, users

ONE_AT_A_TIME: Final = text("select pg_advisory_xact_lock(hashtextextended('import/' || :tenant, 0))")
REFERENCES: Final = text(
    "select external_ref from support_tickets where external_ref is not null and starts_with(external_ref, :prefix)"
)
ACCOUNTS: Final = text("select id, lower(name) as name from customer_accounts order by created_at, id")
DOMAINS: Final = text("select domain, account_id from account_domains")
TEAMS: Final = text("select id, lower(name) as name from teams order by created_at, id")
USERS: Final = text("select id, lower(email) as email, role, active from users")


@dataclass(frozen=True)
class There:
    """What a tenant has: accounts by name and by domain, teams by name, people by address. Keys are in lower case."""

    account_ids: frozenset[UUID]
    accounts: Mapping[str, UUID]
    domains: Mapping[str, UUID]
    team_ids: frozenset[UUID]
    teams: Mapping[str, UUID]
    people: Mapping[str, RowMapping]


async def take_turn(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Wait until no other import adds records of this tenant; the turn lasts as long as the transaction."""
    await connection.execute(ONE_AT_A_TIME, {"tenant": str(tenant_id)})


async def what_is_there(connection: AsyncConnection) -> There:
    """All at once: an import asks for most of it. Of two with one name the older counts."""
    accounts = (await connection.execute(ACCOUNTS)).mappings().all()
    domains = (await connection.execute(DOMAINS)).mappings().all()
    groups = (await connection.execute(TEAMS)).mappings().all()
    people = (await connection.execute(USERS)).mappings().all()
    return There(
        account_ids=frozenset(row["id"] for row in accounts),
        accounts={row["name"]: row["id"] for row in reversed(accounts)},
        domains={row["domain"]: row["account_id"] for row in domains},
        team_ids=frozenset(row["id"] for row in groups),
        teams={row["name"]: row["id"] for row in reversed(groups)},
        people={row["email"]: row for row in people},
    )


async def add_accounts(connection: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
    """Add accounts that are not there."""
    await connection.execute(insert(customer_accounts).on_conflict_do_nothing(), list(values))


async def claim_domains(connection: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
    """Give accounts the domains that nobody has."""
    await connection.execute(insert(account_domains).on_conflict_do_nothing(), list(values))


async def add_teams(connection: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
    """Add teams that are not there."""
    await connection.execute(insert(teams).on_conflict_do_nothing(), list(values))


async def add_people(connection: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
    """Add users, without passwords, whose addresses are not there."""
    await connection.execute(insert(users).on_conflict_do_nothing(), list(values))


async def references(connection: AsyncConnection, prefix: str) -> set[str]:
    """The references of one other desk under which tickets are there."""
    return set((await connection.execute(REFERENCES, {"prefix": f"{prefix}:"})).scalars())
