"""Escalation rules on the wire: the domain's words in camelCase."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, WrapValidator

from api.schemas.common import Body, Line, OwnTenant, Word, left_out
from api.schemas.sla.faults import refuse, without_tag
from api.schemas.sla.versions import Version
from domain.customers import Tier
from domain.identity import Role
from domain.sla.clocks import ClockKind
from domain.sla.escalation import MOST_MINUTES, MOST_PERCENT, MOST_TIMES, Rule, faults
from domain.tickets.model import Priority, Severity

T = TypeVar("T")

LAST_POSITION: Final = 1_000_000
MOST_ACTIONS: Final = 20
MOST_CHOICES: Final = 100


class ClockPercentBody(Body):
    """When so much of a clock's target is used up; 100 is the deadline. Without a `clock` it means each of them."""

    type: Literal["CLOCK_PERCENT"]
    clock: ClockKind | None = None
    percent: Annotated[int, Field(strict=True, ge=1, le=MOST_PERCENT, examples=[75])]


class ClockMinutesBody(Body):
    """So many business minutes before (negative) or after a deadline."""

    type: Literal["CLOCK_MINUTES"]
    clock: ClockKind | None = None
    minutes: Annotated[int, Field(strict=True, ge=-MOST_MINUTES, le=MOST_MINUTES, examples=[-30])]


class CreatedBody(Body):
    """When a ticket is opened."""

    type: Literal["CREATED"]


class ReopenedBody(Body):
    """When a ticket is reopened for the `count`th time."""

    type: Literal["REOPENED"]
    count: Annotated[int, Field(strict=True, ge=1, le=MOST_TIMES, examples=[3])]


class SilenceBody(Body):
    """When the assignee has done nothing on the ticket for so many minutes."""

    type: Literal["SILENCE"]
    minutes: Annotated[int, Field(strict=True, ge=1, le=MOST_MINUTES, examples=[240])]


AnyTrigger = Annotated[
    ClockPercentBody | ClockMinutesBody | CreatedBody | ReopenedBody | SilenceBody, Field(discriminator="type")
]


class NotifyBody(Body):
    """Tell somebody. USER and TEAM take an `id`, ROLE a `role`."""

    type: Literal["NOTIFY"]
    to: Literal["ASSIGNEE", "TEAM_LEAD", "ON_CALL", "USER", "TEAM", "ROLE"]
    id: UUID | None = None
    role: Role | None = None


class ReassignBody(Body):
    """Give the ticket to a user, a team, or both."""

    type: Literal["REASSIGN"]
    assignee_id: UUID | None = None
    team_id: UUID | None = None


class RaiseBody(Body):
    """Make the ticket more urgent or more severe; one that is already stays as it is."""

    type: Literal["RAISE"]
    priority: Priority | None = None
    severity: Severity | None = None


class PageBody(Body):
    """Call out an escalation policy; without one, engineering."""

    type: Literal["PAGE"]
    policy_id: UUID | None = None


class WebhookBody(Body):
    """Send the event `ticket.escalated` to the tenant's webhooks."""

    type: Literal["WEBHOOK"]


AnyAction = Annotated[NotifyBody | ReassignBody | RaiseBody | PageBody | WebhookBody, Field(discriminator="type")]


def unique(values: list[T]) -> list[T]:
    """The values in the order given, each once."""
    return list(dict.fromkeys(values))


Choices = Annotated[list[T], Field(max_length=MOST_CHOICES), AfterValidator(unique)]


class ConditionBody(Body):
    """Which tickets a rule is for: of each list that is not empty, one value must be the ticket's."""

    priorities: Choices[Priority] = []
    severities: Choices[Severity] = []
    tiers: Choices[Tier] = []
    categories: Choices[Word] = []
    team_ids: Choices[UUID] = []


class RepeatBody(Body):
    """Fire again, `times` more, as long as nothing has changed."""

    every_minutes: Annotated[int, Field(strict=True, ge=1, le=MOST_MINUTES, examples=[60])]
    times: Annotated[int, Field(strict=True, ge=1, le=MOST_TIMES, examples=[3])]


def fit(field: str, within: str = "") -> Callable[[T], T]:
    """A validator of one field of a rule, or of what lies `within` it, by what the domain says of it."""

    def check(value: T) -> T:
        plain: dict[str, Any] = {"trigger": {"type": "CREATED"}, "actions": [{"type": "WEBHOOK"}], field: kept(value)}
        refuse(faults(Rule.model_validate({"id": UUID(int=0), "name": field, **plain})), within or f"/{field}")
        return value

    return check


def fit_action(action: T) -> T:
    """A validator of one action, so that it is judged although another one cannot be read."""
    fit("actions", "/actions/0")([action])
    return action


def kept(value: Any) -> Any:
    """A part of a rule as the domain reads it and the database keeps it: only what was said."""
    if isinstance(value, BaseModel):
        return {name: each for name, each in value.model_dump(mode="json", exclude_none=True).items() if each != []}
    return [kept(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


Trigger = Annotated[AnyTrigger, WrapValidator(without_tag), AfterValidator(fit("trigger"))]
Actions = Annotated[
    list[Annotated[AnyAction, WrapValidator(without_tag), AfterValidator(fit_action)]],
    Field(max_length=MOST_ACTIONS),
    AfterValidator(fit("actions")),
]
Position = Annotated[
    StrictInt,
    Field(ge=1, le=LAST_POSITION, description="Rules are looked at in this order; of equal ones the older first."),
]

EXAMPLE: Final[dict[str, Any]] = {
    "name": "Nobody has looked for four hours",
    "trigger": {"type": "SILENCE", "minutes": 240},
    "condition": {"severities": ["SEV1", "SEV2"]},
    "actions": [{"type": "NOTIFY", "to": "TEAM_LEAD"}, {"type": "RAISE", "priority": "URGENT"}],
    "repeat": {"everyMinutes": 60, "times": 3},
}


class CreateRule(Body):
    """A new rule; without a position it is the last one."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    name: Line
    position: Position | None = None
    trigger: Trigger
    condition: ConditionBody = ConditionBody()
    actions: Actions
    repeat: RepeatBody | None = None
    active: StrictBool = True


class ChangeRule(Body):
    """What to change; what is left out stays."""

    name: Line = left_out()
    position: Position = left_out()
    trigger: Trigger = left_out()
    condition: ConditionBody = left_out()
    actions: Actions = left_out()
    repeat: RepeatBody | None = None
    active: StrictBool = left_out()


class RuleView(Version):
    """What happens to which tickets, and when."""

    name: str
    position: int
    trigger: AnyTrigger
    condition: ConditionBody
    actions: list[AnyAction]
    repeat: RepeatBody | None
