"""Rules about the people of a tenant."""

from collections.abc import Mapping, Set
from typing import Any
from uuid import UUID

from domain.identity import Role
from domain.keys import EVERYTHING
from domain.process import Conflict, Forbidden


class OwnAccess(Conflict):
    """Nobody takes their own access away, so that a tenant always keeps somebody who can manage it."""

    def __init__(self) -> None:
        super().__init__("You cannot change your own role or deactivate yourself; ask another administrator.")


class LastAdministrator(Conflict):
    """A tenant keeps a person who can manage it, whatever its API keys do."""

    def __init__(self) -> None:
        super().__init__("This is the only active administrator; make another one first.")


class BeyondScopes(Forbidden):
    """A key with scopes does not make or change administrators: as one of them it could do all that its scopes deny."""

    def __init__(self) -> None:
        super().__init__("Only a key without scopes makes or changes administrators.", required_scope=EVERYTHING)


def may_change(by: UUID, user: UUID, changes: Mapping[str, Any], admins: Set[UUID]) -> None:
    """Refuse that an administrator gives up the own role or activity, or that none of `admins` is left.

    Raises OwnAccess, LastAdministrator.
    """
    if changes.get("role", Role.ADMIN) is Role.ADMIN and changes.get("active", True):
        return
    if by == user:
        raise OwnAccess
    if admins == {user}:
        raise LastAdministrator


def within_scopes(scoped: bool, *roles: Role) -> None:
    """Refuse a key with scopes that makes or changes somebody who has, or gets, one of these roles. Raises BeyondScopes."""
    if scoped and Role.ADMIN in roles:
        raise BeyondScopes
