"""`summit demo`: two tenants with people, teams and accounts to look at; safe to repeat."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import psycopg
import typer
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from api.auth import mint
from domain.customers import Tier
from domain.identity import Role
from runtime.settings import PostgresSettings, Settings

TOKEN_MINUTES: Final = 24 * 60

TENANT, OTHER_TENANT = "acme-support", "globex"


@dataclass(frozen=True)
class Person:
    """A demo login."""

    tenant: str
    email: str
    name: str
    role: Role
    skills: tuple[str, ...] = ()


PEOPLE: Final[Mapping[str, Person]] = {
    "admin": Person(TENANT, "admin@acme-support.example", "Ada Admin", Role.ADMIN),
    "lead": Person(TENANT, "lead@acme-support.example", "Lin Lead", Role.LEAD, ("billing", "network")),
    "agent": Person(TENANT, "agent@acme-support.example", "Alex Agent", Role.AGENT, ("network",)),
    "customer": Person(TENANT, "customer@example.com", "Casey Customer", Role.CUSTOMER),
    "otherAdmin": Person(OTHER_TENANT, "admin@globex.example", "Glenn Globex", Role.ADMIN),
}

ACCOUNTS: Final[Mapping[Tier, tuple[str, str, str, str]]] = {
    Tier.BASIC: ("Birch Bakery", "birch.example", "America/New_York", "49.00"),
    Tier.PROFESSIONAL: ("Pine Logistics", "pine.example", "Europe/Berlin", "490.00"),
    Tier.ENTERPRISE: ("Example Corporation", "example.com", "America/Los_Angeles", "4900.00"),
    Tier.PREMIUM: ("Granite Bank", "granite.example", "Asia/Tokyo", "19000.00"),
}
"""An account of each tier: name, domain, time zone, monthly fee."""

TEAMS: Final[Mapping[str, tuple[str, ...]]] = {"First line": ("agent", "lead"), "Engineering": ("lead",)}
"""Teams with the logins of their members."""

ADD_TENANT: Final = """
insert into tenants (slug, name, is_default)
select %(slug)s, %(name)s, %(wanted)s and not exists (select from tenants where is_default)
on conflict do nothing
"""
TENANT_ID: Final = "select id from tenants where slug = %s"
ADD_USER: Final = """
insert into users (tenant_id, email, name, role, skills)
values (%(tenant)s, %(email)s, %(name)s, %(role)s, %(skills)s) on conflict do nothing
"""
USER: Final = "select id, password_hash from users where tenant_id = %s and lower(email) = lower(%s)"
SET_PASSWORD: Final = "update users set password_hash = %s where id = %s"  # noqa: S105
ADD_ACCOUNT: Final = """
with domain as (
    select account_id from account_domains where tenant_id = %(tenant)s and domain = %(domain)s
), account as (
    insert into customer_accounts (tenant_id, name, tier, time_zone, monthly_fee, csm_id, tam_id, renewal_date)
    select %(tenant)s, %(name)s, %(tier)s, %(zone)s, %(fee)s, %(csm)s, %(tam)s, current_date + 90
    where not exists (select from domain)
    returning id
), claim as (
    insert into account_domains (tenant_id, domain, account_id) select %(tenant)s, %(domain)s, id from account
)
select id from account union all select account_id from domain
"""
JOIN_ACCOUNT: Final = "update users set account_id = %s where id = %s"
MAILBOXES: Final[Mapping[str, tuple[str, str]]] = {
    TENANT: ("support@summit.example", "Acme Support"),
    OTHER_TENANT: ("support@globex.example", "Globex Support"),
}
"""The default mailbox of each tenant: address and name."""

ADD_MAILBOX: Final = """
insert into mailboxes (tenant_id, address, name, is_default)
select %(tenant)s, %(address)s, %(name)s, not exists (select from mailboxes where tenant_id = %(tenant)s)
on conflict do nothing
"""
ADD_TEAM: Final = """
with known as (
    select id from teams where tenant_id = %(tenant)s and name = %(name)s limit 1
), team as (
    insert into teams (tenant_id, name, lead_id) select %(tenant)s, %(name)s, %(lead)s where not exists (select from known)
    returning id
)
select id from team union all select id from known
"""
JOIN_TEAM: Final = "insert into team_members (tenant_id, team_id, user_id) values (%s, %s, %s) on conflict do nothing"


@dataclass(frozen=True)
class DemoSeed:
    """What the demo made or found."""

    tenant_id: UUID
    other_tenant_id: UUID
    users: Mapping[str, UUID]
    accounts: Mapping[Tier, UUID]
    teams: Mapping[str, UUID]

    def tenant_of(self, login: str) -> UUID:
        """The tenant of one of the logins."""
        return self.tenant_id if PEOPLE[login].tenant == TENANT else self.other_tenant_id


async def load_demo(owner: PostgresSettings, passwords: Mapping[str, str]) -> DemoSeed:
    """Make what is missing, in one transaction; `passwords` by login. Needs the database's owner: tenants are made here."""
    async with await psycopg.AsyncConnection.connect(owner.conninfo()) as connection:
        tenant_id = await add_tenant(connection, TENANT, "Acme Support", default=True)
        other_id = await add_tenant(connection, OTHER_TENANT, "Globex", default=False)
        ids = {TENANT: tenant_id, OTHER_TENANT: other_id}
        users = {
            login: await add_person(connection, ids[person.tenant], person, passwords[login])
            for login, person in PEOPLE.items()
        }
        accounts = {tier: await add_account(connection, tenant_id, tier, users) for tier in ACCOUNTS}
        await connection.execute(JOIN_ACCOUNT, (accounts[Tier.ENTERPRISE], users["customer"]))
        for slug, (address, name) in MAILBOXES.items():
            await connection.execute(ADD_MAILBOX, {"tenant": ids[slug], "address": address, "name": name})
        teams = {name: await add_team(connection, tenant_id, name, users) for name in TEAMS}
    return DemoSeed(tenant_id, other_id, users, accounts, teams)


async def add_tenant(connection: psycopg.AsyncConnection, slug: str, name: str, *, default: bool) -> UUID:
    """The tenant with this slug, made when missing."""
    await connection.execute(ADD_TENANT, {"slug": slug, "name": name, "wanted": default})
    found: tuple[UUID] = await _one(connection, TENANT_ID, (slug,))
    return found[0]


async def add_person(connection: psycopg.AsyncConnection, tenant_id: UUID, person: Person, password: str) -> UUID:
    """The person, made when missing, with this password."""
    values = {"tenant": tenant_id, "email": person.email, "name": person.name, "role": person.role.value}
    await connection.execute(ADD_USER, {**values, "skills": list(person.skills)})
    found: tuple[UUID, str | None] = await _one(connection, USER, (tenant_id, person.email))
    user_id, stored = found
    hasher = PasswordHasher()
    if stored is None or not await asyncio.to_thread(_matches, hasher, stored, password):
        await connection.execute(SET_PASSWORD, (await asyncio.to_thread(hasher.hash, password), user_id))
    return user_id


async def add_account(
    connection: psycopg.AsyncConnection, tenant_id: UUID, tier: Tier, users: Mapping[str, UUID]
) -> UUID:
    """The account of this tier, made when missing."""
    name, domain, zone, fee = ACCOUNTS[tier]
    values = {"tenant": tenant_id, "name": name, "tier": tier.value, "domain": domain, "zone": zone, "fee": fee}
    people = {
        "csm": users["lead"] if tier in (Tier.ENTERPRISE, Tier.PREMIUM) else None,
        "tam": users["agent"] if tier is Tier.PREMIUM else None,
    }
    found: tuple[UUID] = await _one(connection, ADD_ACCOUNT, {**values, **people})
    return found[0]


async def add_team(connection: psycopg.AsyncConnection, tenant_id: UUID, name: str, users: Mapping[str, UUID]) -> UUID:
    """The team of this name with its members, made when missing."""
    found: tuple[UUID] = await _one(connection, ADD_TEAM, {"tenant": tenant_id, "name": name, "lead": users["lead"]})
    team_id = found[0]
    for login in TEAMS[name]:
        await connection.execute(JOIN_TEAM, (tenant_id, team_id, users[login]))
    return team_id


def published(seed: DemoSeed, settings: Settings, passwords: Mapping[str, str]) -> dict[str, Any]:
    """What scripts want to know about the demo: ids, tokens valid a day, logins."""
    tokens = {
        login: mint(
            settings, tenant_id=seed.tenant_of(login), user_id=user, role=PEOPLE[login].role, minutes=TOKEN_MINUTES
        )
        for login, user in seed.users.items()
    }
    return {
        "tenantId": str(seed.tenant_id),
        "otherTenantId": str(seed.other_tenant_id),
        "tokens": tokens,
        "supportAddress": MAILBOXES[TENANT][0],
        "logins": {login: {"email": person.email, "password": passwords[login]} for login, person in PEOPLE.items()},
    }


def demo(output: Annotated[Path, typer.Option(help="Where to write ids, tokens and logins, as JSON.")]) -> None:
    """Load the demo data. Reads POSTGRES_* (the owner's), SUMMIT_SECRET and SUMMIT_DEMO_PASSWORDS (JSON, by login)."""
    passwords: dict[str, str] = json.loads(os.environ["SUMMIT_DEMO_PASSWORDS"])
    seed = asyncio.run(load_demo(PostgresSettings(), passwords))
    document = json.dumps(published(seed, Settings(), passwords), indent=2)
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(document)


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(demo)


async def _one(connection: psycopg.AsyncConnection, statement: str, values: Any) -> Any:
    return await (await connection.execute(statement, values)).fetchone()


def _matches(hasher: PasswordHasher, stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except VerifyMismatchError:
        return False
