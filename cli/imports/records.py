"""The records of an import (accounts, teams, people, fields of the staff): found where they are, else added, and known by their keys."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.kept_fields import BELIEVED_SECONDS
from cli.imports.model import Account, Options, Person, Source, Team
from db.engine import tenant_transaction
from db.imports import (
    There,
    add_accounts,
    add_people,
    add_teams,
    claim_domains,
    take_turn,
    what_is_there,
)
from db.ticket_fields import hide_fields
from domain.identity import Role
from domain.ids import derived_id

AT_ONCE: Final = 500
"""Rows in one transaction."""
KNOWN_SECONDS: Final = BELIEVED_SECONDS + 1
"""So old is a definition when no request goes by what was before it: a commit and an answer take a moment too."""

Adding = Callable[[AsyncConnection, Sequence[Mapping[str, Any]]], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Directory:
    """Who is who here: ids by the keys of the other desk."""

    people: Mapping[str, UUID] = field(default_factory=dict)
    teams: Mapping[str, UUID] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Records:
    """Writes the records of one import into a tenant."""

    engine: AsyncEngine
    tenant_id: UUID
    options: Options

    async def write(self, source: Source) -> Directory:
        """Have everybody there. Safe to repeat: what an earlier run added is found by its id, by domain, by name or by address."""
        await self._hide(source.staff_fields())
        accounts, new_accounts, domains = self._accounts(source.accounts(), await self._there())
        await self._add(add_accounts, new_accounts)
        await self._add(claim_domains, domains)
        teams, new_teams = self._teams(source.teams(), await self._there())
        await self._add(add_teams, new_teams)
        people = source.people()
        new_people = self._people(people, await self._there(), accounts)
        await self._add(add_people, new_people)
        there = await self._there()
        return Directory(
            people={each.key: there.people[each.email.lower()]["id"] for each in people},
            teams=teams,
            made={"accounts": len(new_accounts), "teams": len(new_teams), "people": len(new_people)},
        )

    async def _hide(self, labels: Mapping[str, str]) -> None:
        """Have customers not see fields, in any API process, before there is a ticket that has them."""
        if not labels:
            return
        async with tenant_transaction(self.engine, self.tenant_id) as connection:
            age = await hide_fields(connection, labels)
        # Also for what a run has added that was killed while it waited.
        if age is not None and age < KNOWN_SECONDS:
            await asyncio.sleep(KNOWN_SECONDS - age)

    async def _there(self) -> There:
        async with tenant_transaction(self.engine, self.tenant_id) as connection:
            return await what_is_there(connection)

    async def _add(self, add: Adding, values: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(values), AT_ONCE):
            async with tenant_transaction(self.engine, self.tenant_id) as connection:
                await take_turn(connection, self.tenant_id)
                await add(connection, values[start : start + AT_ONCE])

    def _id(self, kind: str, key: str) -> UUID:
        return derived_id(self.tenant_id, "import", self.options.prefix, kind, key)

    def _accounts(
        self, accounts: Sequence[Account], there: There
    ) -> tuple[dict[str, UUID], list[dict[str, Any]], list[dict[str, Any]]]:
        """Ids by key, the accounts to add, and the domains to claim."""
        ids: dict[str, UUID] = {}
        new: list[dict[str, Any]] = []
        claims: dict[str, UUID] = {}
        names = dict(there.accounts)
        for account in accounts:
            own, name = self._id("account", account.key), account.name.lower()
            owner = next((there.domains[each] for each in account.domains if each in there.domains), None)
            found = own if own in there.account_ids else owner or names.get(name)
            if found is None:
                found = own
                new.append({"id": own, "name": account.name, "tier": self.options.tier.value})
            names.setdefault(name, found)
            ids[account.key] = found
            for each in account.domains:
                if each not in there.domains:
                    claims.setdefault(each, found)
        return ids, new, [{"domain": domain, "account_id": owner} for domain, owner in claims.items()]

    def _teams(self, teams: Sequence[Team], there: There) -> tuple[dict[str, UUID], list[dict[str, Any]]]:
        ids: dict[str, UUID] = {}
        new: list[dict[str, Any]] = []
        names = dict(there.teams)
        for team in teams:
            own, name = self._id("team", team.key), team.name.lower()
            found = own if own in there.team_ids else names.get(name)
            if found is None:
                found = own
                new.append({"id": own, "name": team.name})
            names.setdefault(name, found)
            ids[team.key] = found
        return ids, new

    def _people(self, people: Sequence[Person], there: There, accounts: Mapping[str, UUID]) -> list[dict[str, Any]]:
        """The users to add: customers who may be invited, and agents who cannot sign in until an administrator lets them."""
        new: dict[str, dict[str, Any]] = {}
        for person in people:
            email = person.email.lower()
            if email in there.people or email in new:
                continue
            new[email] = {
                "id": self._id("person", email),
                "email": person.email,
                "name": person.name,
                "role": (Role.AGENT if person.staff else Role.CUSTOMER).value,
                "active": person.active and not person.staff,
                "account_id": None if person.staff or person.account is None else accounts.get(person.account),
                "time_zone": person.time_zone,
            }
        return list(new.values())
