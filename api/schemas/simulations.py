"""What a simulation is asked on the wire."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.common import Body, Instant
from api.schemas.sla.calendars import InlineCalendar
from domain.customers import Tier
from domain.sla.clocks import ClockKind
from domain.sla.simulation import Proposal, ProposedCalendar, ProposedTarget
from domain.sla.targets import LONGEST_MINUTES
from domain.tickets.model import Severity


class TriedTarget(Body):
    """Another target for a (tier, severity, kind), in business minutes; without `calendarId` the clocks keep theirs."""

    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES, examples=[60])]
    calendar_id: UUID | None = None


class TriedCalendar(InlineCalendar):
    """Other hours for the calendar with this id."""

    id: UUID

    def proposal(self) -> ProposedCalendar:
        """As the simulation takes it."""
        return ProposedCalendar(id=self.id, **self.calendar().model_dump())


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
        proposal = Proposal(
            definitions=tuple(ProposedTarget.model_validate(each.model_dump()) for each in self.definitions),
            calendars=tuple(each.proposal() for each in self.calendars),
        )
        period = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {**period, "proposal": proposal.model_dump(mode="json")}
