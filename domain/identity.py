"""Who acts: roles and the actor that every command carries."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.process import Frozen


class Role(StrEnum):
    """What a user may do; each role from AGENT on includes the one before."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"
    LEAD = "LEAD"
    ADMIN = "ADMIN"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that `other` may do."""
        return RANK[self] >= RANK[other]


RANK: Final = {Role.CUSTOMER: 0, Role.AGENT: 1, Role.LEAD: 2, Role.ADMIN: 3}


class Actor(Frozen):
    """The principal behind a command, as the API authenticated it; `id` is None for Summit itself (timers, auditor)."""

    id: UUID | None = None
    role: Role = Role.ADMIN
    name: str = "Summit"
    email: str = ""
    account_id: UUID | None = None

    @property
    def staff(self) -> bool:
        """Whether the actor works for the desk rather than asks of it."""
        return self.role is not Role.CUSTOMER


SYSTEM: Final = Actor()
