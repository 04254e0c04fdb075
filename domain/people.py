"""Rules about the people of a tenant."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.identity import Role
from domain.process import Conflict


class OwnAccess(Conflict):
    """Nobody takes their own access away, so that a tenant always keeps somebody who can manage it."""

    def __init__(self) -> None:
        super().__init__("You cannot change your own role or deactivate yourself; ask another administrator.")


def may_change(by: UUID, user: UUID, changes: Mapping[str, Any]) -> None:
    """Refuse that an administrator gives up the own role or activity. Raises OwnAccess."""
    if by == user and (changes.get("role", Role.ADMIN) is not Role.ADMIN or not changes.get("active", True)):
        raise OwnAccess
