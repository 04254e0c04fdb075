"""Routing rules on the wire."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from api.schemas.common import Body, Line, OwnTenant, Resource, Skills, View, Word, unique
from api.schemas.tickets import Language
from domain.customers import ContactChannel, Tier
from domain.tickets.model import Method, Priority, Severity

UNSET: Any = None
"""The default of a field that may be left out and may not be null."""

EXAMPLE: dict[str, Any] = {
    "name": "German billing",
    "condition": {"categories": ["Billing"], "languages": ["de"]},
    "teamId": "0195f3a0-0000-7000-8000-000000000001",
    "skills": ["billing"],
    "method": "LEAST_LOADED",
}


Words = Annotated[list[Word], Field(max_length=50), AfterValidator(unique)]


class ConditionBody(Body):
    """Which tickets a rule is for: each list that is given must hold the ticket's value; none given, every ticket.

    Words are compared without case; a language stands for its regions too.
    """

    categories: Words = []
    tiers: Annotated[list[Tier], Field(max_length=4), AfterValidator(unique)] = []
    languages: Annotated[list[Language], Field(max_length=50), AfterValidator(unique)] = []
    channels: Annotated[list[ContactChannel], Field(max_length=5), AfterValidator(unique)] = []
    priorities: Annotated[list[Priority], Field(max_length=4), AfterValidator(unique)] = []
    severities: Annotated[list[Severity], Field(max_length=4), AfterValidator(unique)] = []
    tags: Words = []
    mailbox_ids: Annotated[list[UUID], Field(max_length=50), AfterValidator(unique)] = []


class CreateRoutingRule(Body):
    """Where tickets go: the first rule in force that fits sends a new ticket to its team, and its method finds an agent.

    Only agents of the team who are available, have room and all the `skills` get one. MANUAL leaves that to people.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    name: Line
    position: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = Field(
        default=None, description="Rules are looked at in this order; a new one comes last, and others make room."
    )
    condition: ConditionBody = ConditionBody()
    team_id: UUID
    skills: Skills = []
    method: Method = Method.LEAST_LOADED
    active: StrictBool = True


class ChangeRoutingRule(Body):
    """Only the fields that are sent change."""

    name: Line = UNSET
    position: Annotated[int, Field(ge=1, le=10_000, strict=True)] = UNSET
    condition: ConditionBody = UNSET
    team_id: UUID = UNSET
    skills: Skills = UNSET
    method: Method = UNSET
    active: StrictBool = UNSET


class ConditionView(View):
    """Which tickets a rule is for."""

    categories: list[str] = []
    tiers: list[Tier] = []
    languages: list[str] = []
    channels: list[ContactChannel] = []
    priorities: list[Priority] = []
    severities: list[Severity] = []
    tags: list[str] = []
    mailbox_ids: list[UUID] = []


class RoutingRuleView(Resource):
    """A routing rule."""

    name: str
    position: int
    condition: ConditionView
    team_id: UUID
    skills: list[str]
    method: Method
    active: bool
