"""What a simulation is asked on the wire."""

from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from api.schemas.common import Body, Day, Instant, TimeZone, Word
from domain.customers import Tier
from domain.sla.calendars import Calendar, Weekday, faults
from domain.sla.clocks import ClockKind
from domain.sla.targets import LONGEST_MINUTES
from domain.tickets.model import Severity
from runtime.holidays import public_holidays

WallTime = Annotated[str, Field(max_length=5, examples=["09:00"])]
Hours = Annotated[list[tuple[WallTime, WallTime]], Field(max_length=24)]


class TriedTarget(Body):
    """Another target for a (tier, severity, kind), in business minutes; without `calendarId` the clocks keep theirs."""

    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES, examples=[60])]
    calendar_id: UUID | None = None


class TriedHoliday(Body):
    """A date with hours of its own; without any it is closed."""

    date: Day
    windows: Hours = []


class TriedCalendar(Body):
    """Other hours for the calendar with this id."""

    id: UUID
    name: Word | None = None
    time_zone: TimeZone | None = None
    week: dict[Weekday, Hours]
    holidays: Annotated[list[TriedHoliday], Field(max_length=1000)] = []
    country: Annotated[str, Field(max_length=6, examples=["DE-BY"])] | None = None

    @model_validator(mode="after")
    def _fit_for_use(self) -> Self:
        content = self.model_dump(exclude={"id", "name"})
        errors = [(each.pointer, each.code, each.detail) for each in faults(Calendar.model_validate(content))]
        try:
            public_holidays(self.country or "DE")
        except ValueError as error:
            errors.append(("/country", "country", str(error)))
        if errors:
            raise ValidationError.from_exception_data("calendar", [_line(*each) for each in errors])
        return self


def _line(pointer: str, code: str, detail: str) -> InitErrorDetails:
    error = PydanticCustomError(code, "{detail}", {"detail": detail})
    steps = tuple(int(step) if step.isdigit() else step for step in pointer.split("/")[1:])
    return InitErrorDetails(type=error, loc=steps, input=None)


EXAMPLE: Final[dict[str, Any]] = {
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-04-01T00:00:00Z",
    "definitions": [{"tier": "PREMIUM", "severity": "SEV1", "kind": "FIRST_RESPONSE", "targetMinutes": 30}],
}


class AskSimulation(Body):
    """Clocks that started in the period (half open; at most five years) are run again on other targets, calendars, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    since: Annotated[Instant, Field(alias="from")]
    until: Annotated[Instant, Field(alias="to")]
    definitions: Annotated[list[TriedTarget], Field(max_length=48)] = []
    calendars: Annotated[list[TriedCalendar], Field(max_length=50)] = []

    def order(self) -> dict[str, Any]:
        """The job's input."""
        proposal = self.model_dump(
            mode="json", include={"definitions", "calendars"}, exclude={"calendars": {"__all__": {"name"}}}
        )
        return {"since": self.since.isoformat(), "until": self.until.isoformat(), "proposal": proposal}
