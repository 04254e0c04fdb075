"""Definitions on the wire: a target in business minutes, the calendar that they are counted on, and what a breach is worth."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from api.schemas.common import Body, OwnTenant, Percent, View, left_out
from api.schemas.sla.faults import refuse
from api.schemas.sla.versions import Version
from domain.customers import Tier
from domain.sla.clocks import ClockKind
from domain.sla.credits import MOST_MINUTES, WHOLE, CreditRule, faults
from domain.sla.targets import LONGEST_MINUTES
from domain.tickets.model import Severity

TargetMinutes = Annotated[
    int, Field(strict=True, ge=1, le=LONGEST_MINUTES, description="Minutes of the calendar's time.", examples=[240])
]


class StepBody(Body):
    """From so much business time of overrun on (0 is the breach itself), so much of the account's monthly fee."""

    overrun_minutes: Annotated[int, Field(strict=True, ge=0, le=MOST_MINUTES, examples=[0])]
    percent: Annotated[Percent, Field(examples=["5"])]


class CreditBody(Body):
    """What a breach is worth. Each step comes later than the one before and grants more; none more than the cap."""

    # The cap comes first, so that the steps are judged by it, and judged all the same when it is bad.
    cap_percent: Annotated[
        Percent, Field(description="The most that an account gets in a calendar month.", examples=["50"])
    ] = WHOLE
    steps: list[StepBody]

    @field_validator("steps")
    @classmethod
    def _consistent(cls, steps: list[StepBody], info: ValidationInfo) -> list[StepBody]:
        rule = {"steps": [step.model_dump() for step in steps], "cap_percent": info.data.get("cap_percent", WHOLE)}
        refuse(faults(CreditRule.model_validate(rule)), "/steps")
        return steps


class ReplaceDefinition(Body):
    """The next version of a definition. Tier, severity and kind may be repeated, and stay."""

    tier: Tier = left_out()
    severity: Severity = left_out()
    kind: ClockKind = left_out()
    target_minutes: TargetMinutes
    calendar_id: UUID
    credit: CreditBody | None = None


class CreateDefinition(Body):
    """What is promised to a tier for a severity."""

    tenant_id: OwnTenant | None = None
    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: TargetMinutes
    calendar_id: UUID
    credit: CreditBody | None = None


class StepView(View):
    """A step of a credit rule."""

    overrun_minutes: int
    percent: Percent


class CreditView(View):
    """What a breach is worth."""

    steps: list[StepView]
    cap_percent: Percent


class DefinitionView(Version):
    """What is promised to a tier for a severity: tickets keep the version that was current when they were opened."""

    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: int
    unit: Literal["business minutes"] = "business minutes"
    calendar_id: UUID
    calendar_name: str
    credit: CreditView | None
    warnings: list[str] = Field(default=[], description="Where a higher tier is served worse than a lower one.")
