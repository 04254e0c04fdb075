"""API keys on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from api.permissions import SCOPES
from api.schemas.common import Body, Instant, Line, OwnTenant, Resource, View
from domain.identity import Role
from domain.keys import EVERYTHING

SCOPES_HELP = "What the key is confined to: the scope beside each call in docs/permissions.md. Left out or `*`: all that the role may do."


def of_the_staff(role: Any) -> Any:
    """`role`, unless it is one for people."""
    if role == Role.CUSTOMER:
        raise PydanticCustomError(
            "key_role", "must be AGENT, LEAD or ADMIN: a key works for the desk, customers sign in"
        )
    return role


def known_scope(text: str) -> str:
    """`text`, when it is a scope."""
    if text not in SCOPES:
        raise PydanticCustomError("scope", "must be one of {known}", {"known": ", ".join(SCOPES)})
    return text


def simplest(scopes: list[str]) -> list[str]:
    """The scopes, each once; beside `*` the others say nothing."""
    return [EVERYTHING] if EVERYTHING in scopes else list(dict.fromkeys(scopes))


KeyRole = Annotated[Literal[Role.AGENT, Role.LEAD, Role.ADMIN], BeforeValidator(of_the_staff)]
Scope = Annotated[
    str, Field(examples=["tickets:read"], json_schema_extra={"enum": list(SCOPES)}), AfterValidator(known_scope)
]
Scopes = Annotated[
    list[Scope],
    Field(min_length=1, max_length=100, description=SCOPES_HELP, examples=[["tickets:read", "tickets:write"]]),
    AfterValidator(simplest),
]


class AuthorView(View):
    """Who made it: a user or another key."""

    id: UUID | None
    name: str


class ApiKeyView(Resource):
    """An API key: how it begins, and what it may do. The key itself is not kept."""

    name: str
    role: Role
    scopes: list[str]
    prefix: str = Field(examples=["sk_8Jd3kQ0x"])
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute or two.")
    revoked_at: datetime | None
    created_by: AuthorView


class NewApiKeyView(ApiKeyView):
    """A new API key. The key is shown this once; a repeat under the same Idempotency-Key has null."""

    key: str | None


class CreateApiKey(Body):
    """A new API key: a principal of its own, with a role that is not above its maker's."""

    tenant_id: OwnTenant | None = None
    name: Annotated[Line, Field(description="Stands in histories beside what the key does.", examples=["CI"])]
    role: KeyRole
    scopes: Scopes | None = None
    expires_at: Annotated[
        Instant | None, Field(description="In the future; without it the key holds until revoked.")
    ] = None
