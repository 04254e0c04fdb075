"""A ticket's clocks on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Body, View, storable
from api.schemas.sla.preview import SegmentView
from domain.sla.clocks import Cause, ClockKind, ClockState, Hold
from domain.tickets.commands import ClockAction

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(storable)
]


class ClockSegmentView(SegmentView):
    """A stretch of a clock's time, and for one that somebody paused by hand the reason (for the staff)."""

    reason: str | None


class DeedView(View):
    """What somebody did to a clock by hand."""

    action: ClockAction
    at: datetime
    actor: str
    reason: str


class ClockView(View):
    """One clock: what is promised, how its time was spent until now, and why it is due when it is.

    A clock that is BREACHED counts on, so `elapsedSeconds` tells the overrun, until the promise is kept late (`metAt`).
    """

    kind: ClockKind
    cycle: int
    state: ClockState
    target_minutes: int
    unit: str = "business minutes"
    definition_id: UUID
    definition_version: int
    calendar: str
    calendar_id: UUID
    time_zone: Annotated[str, Field(description="In which the calendar is read.", examples=["Europe/Berlin"])]
    started_at: datetime
    started_outside_hours: bool
    deadline_at: datetime | None
    met_at: datetime | None
    breached_at: datetime | None
    detected_at: datetime | None
    cause: Cause | None
    holds: list[Hold]
    waived: bool
    elapsed_seconds: float
    remaining_seconds: float
    segments: list[ClockSegmentView]
    adjustments: Annotated[list[DeedView], Field(description="Oldest first; empty for customers.")]
    explanation: str


class ClocksView(View):
    """Every clock of a ticket, those of earlier cycles included."""

    clocks: list[ClockView]


class Adjustment(Body):
    """Why a clock is paused, resumed or given up."""

    reason: Reason
