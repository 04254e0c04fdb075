"""Whom a notice is for, as decisions write it: a user's id, an address, or a symbol that stands for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.identity import Role


class Kind(StrEnum):
    """What a recipient names."""

    PERSON = "person"
    ADDRESS = "address"
    ROLE = "role"
    TEAM = "team"
    LEAD = "lead"
    ONCALL = "oncall"


SYMBOLIC: Final = frozenset({Kind.ROLE, Kind.TEAM, Kind.LEAD, Kind.ONCALL})
"""What must be expanded into people before anything can be sent."""


class Unaddressable(ValueError):
    """A recipient that names nobody."""


@dataclass(frozen=True)
class Recipient:
    """A recipient taken apart; `id` is a user's or a team's."""

    kind: Kind
    id: UUID | None = None
    role: Role | None = None
    address: str = ""


def read_recipient(text: str) -> Recipient:
    """`<user id>`, `a@b`, `role:LEAD`, `team:<id>`, `lead:<team id>`, `lead:`, `oncall:<team id>` or `oncall:`. Raises Unaddressable."""
    kind, colon, rest = text.partition(":")
    try:
        if "@" in text:
            return Recipient(Kind.ADDRESS, address=text)
        if not colon:
            return Recipient(Kind.PERSON, UUID(text))
        if kind == Kind.ROLE:
            return Recipient(Kind.ROLE, role=Role(rest))
        if kind == Kind.TEAM:
            return Recipient(Kind.TEAM, UUID(rest))
        if kind in (Kind.LEAD, Kind.ONCALL):
            return Recipient(Kind(kind), UUID(rest) if rest else None)
    except ValueError:
        pass
    raise Unaddressable("The recipient is neither a user, an address, a role nor a team.")
