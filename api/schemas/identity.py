"""Users, teams and tokens on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StrictBool, StringConstraints

from api.schemas.common import Body, Email, Line, OwnTenant, Resource, Skills, TimeZone, View, left_out, storable
from api.schemas.notifications import PreferencesView
from domain.identity import Role


def storable_secret(secret: SecretStr) -> SecretStr:
    """`secret`, unless no form could send it."""
    storable(secret.get_secret_value())
    return secret


Ids = Annotated[list[UUID], Field(max_length=100)]
Password = Annotated[SecretStr, Field(min_length=8, max_length=256), AfterValidator(storable_secret)]
Capacity = Annotated[int, Field(strict=True, ge=0, le=10_000, description="How many open tickets at a time.")]
FormText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1024)]


class LoginForm(BaseModel):
    """The password grant of OAuth 2 (RFC 6749, 4.3); the client fields are taken and not looked at."""

    username: Annotated[FormText, Field(description="The e-mail address.", examples=["admin@acme-support.example"])]
    password: FormText
    grant_type: Literal["password"] | None = None
    scope: FormText = ""
    client_id: FormText | None = None
    client_secret: FormText | None = None


class Token(BaseModel):
    """An access token (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: Annotated[int, Field(description="Seconds.", examples=[3600])]


class Me(View):
    """The caller: a person, or an API key, which has no address."""

    id: UUID
    kind: Literal["USER", "API_KEY"]
    name: str
    email: str | None
    role: Role
    tenant_id: UUID
    account_id: UUID | None
    scopes: Annotated[list[str] | None, Field(description="What an API key is confined to; null for people.")]
    time_zone: str
    preferences: PreferencesView


class UserView(Resource):
    """A person of this tenant."""

    email: str
    name: str
    role: Role
    account_id: UUID | None
    team_ids: list[UUID]
    skills: list[str]
    capacity: int
    time_zone: str
    available: bool
    active: bool


class CreateUser(Body):
    """A new person. Without a password the user gets an invitation by mail, and chooses one."""

    tenant_id: OwnTenant | None = None
    email: Annotated[Email, Field(examples=["ada@acme-support.example"])]
    name: Annotated[Line, Field(examples=["Ada Lovelace"])]
    role: Role
    account_id: UUID | None = None
    team_ids: Annotated[Ids, Field(default_factory=list)]
    skills: Annotated[Skills, Field(default_factory=list)]
    capacity: Capacity = 20
    time_zone: TimeZone = "UTC"
    available: StrictBool = True
    password: Password | None = None


class ChangeUser(Body):
    """What to change; what is left out stays."""

    email: Email = left_out()
    name: Line = left_out()
    role: Role = left_out()
    account_id: UUID | None = None
    team_ids: Ids = left_out()
    skills: Skills = left_out()
    capacity: Capacity = left_out()
    time_zone: TimeZone = left_out()
    available: StrictBool = left_out()
    active: StrictBool = left_out()
    password: Password = left_out()


class TeamView(Resource):
    """People who share a queue."""

    name: str
    lead_id: UUID | None
    member_ids: list[UUID]


class CreateTeam(Body):
    """A new team."""

    tenant_id: OwnTenant | None = None
    name: Annotated[Line, Field(examples=["Platform"])]
    lead_id: UUID | None = None
    member_ids: Annotated[Ids, Field(default_factory=list)]


class Availability(Body):
    """Whether somebody takes tickets from the queues of their teams."""

    available: StrictBool
