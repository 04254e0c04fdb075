"""Rules about API keys: principals of their own, of the staff, that never do more than those who made them."""

from datetime import datetime
from typing import Final

from domain.identity import Role
from domain.process import Forbidden, Invalid

KEY_ROLES: Final = (Role.AGENT, Role.LEAD, Role.ADMIN)
"""What a key can be: it works for the desk. Customers are people and sign in."""

EVERYTHING: Final = "*"
"""The scope of a key that does all that its role may do."""


class RoleAboveOwn(Forbidden):
    """Nobody makes a key that may do more than they may themselves."""

    def __init__(self, own: Role) -> None:
        super().__init__(f"A key's role cannot be above your own, which is {own}.")


class AlreadyExpired(Invalid):
    """A key that would never work is a mistake in the date."""

    def __init__(self) -> None:
        error = {"pointer": "/expiresAt", "code": "past", "detail": "must lie in the future"}
        super().__init__("The key would have expired already.", [error])


def may_issue(by: Role, role: Role, expires_at: datetime | None, now: datetime) -> None:
    """Refuse a key above its maker, or one that has expired before it is made. Raises RoleAboveOwn, AlreadyExpired."""
    if not by.includes(role):
        raise RoleAboveOwn(by)
    if expires_at is not None and expires_at <= now:
        raise AlreadyExpired
