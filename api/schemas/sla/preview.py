"""Trying a calendar, on the wire."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, Instant, TimeZone, View
from api.schemas.sla.calendars import InlineCalendar
from api.schemas.sla.definitions import TargetMinutes
from api.schemas.sla.faults import refuse, together
from domain.sla.calendars import Fault
from domain.sla.preview import BadPauses, Pause, SegmentState, refuse_odd
from domain.sla.timetable import HORIZON_DAYS

MOST_PAUSES: Final = 100
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2900, 1, 1, tzinfo=UTC)
"""Beyond, ten years and the pauses before them would not all have dates."""

LONGEST: Final = timedelta(days=HORIZON_DAYS)
CALENDARS: Final = ("calendar", "calendarId")


class PauseBody(Body):
    """From when to when the clock is held."""

    since: Annotated[Instant, Field(alias="from", examples=["2026-03-02T12:00:00Z"])]
    until: Annotated[Instant, Field(examples=["2026-03-03T12:00:00Z"])]


EXAMPLE: Final[dict[str, Any]] = {
    "calendar": {"timeZone": "Europe/Berlin", "week": {"MON": [["09:00", "17:00"]], "TUE": [["09:00", "17:00"]]}},
    "targetMinutes": 480,
    "startedAt": "2026-03-02T15:00:00Z",
    "pauses": [{"from": "2026-03-03T09:00:00Z", "until": "2026-03-03T10:00:00Z"}],
}


class Preview(Body):
    """A promise to try: on a calendar written out, or on one that there is."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    calendar: InlineCalendar | None = None
    calendar_id: UUID | None = None
    time_zone: Annotated[
        TimeZone | None, Field(description="The account's, for a calendar that has none of its own; UTC when left out.")
    ] = None
    target_minutes: TargetMinutes
    started_at: Annotated[Instant, Field(examples=["2026-03-02T09:00:00Z"])]
    pauses: Annotated[list[PauseBody], Field(max_length=MOST_PAUSES)] = []

    @field_validator("started_at")
    @classmethod
    def _countable(cls, started_at: datetime) -> datetime:
        if not EARLIEST <= started_at <= LATEST:
            raise PydanticCustomError("out_of_range", "must lie between 1970 and 2900")
        return started_at

    @field_validator("pauses")
    @classmethod
    def _in_order(cls, pauses: list[PauseBody], info: ValidationInfo) -> list[PauseBody]:
        started_at = info.data.get("started_at")
        if started_at is not None:
            refuse(pause_faults(started_at, [Pause(pause.since, pause.until) for pause in pauses]))
        return pauses

    @model_validator(mode="wrap")
    @classmethod
    def _one_calendar(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> "Preview":
        given = [name for name in CALENDARS if isinstance(value, dict) and value.get(name) is not None]
        wrong = isinstance(value, dict) and len(given) != 1
        detail = "either `calendar` or `calendarId` must be given, and not both"
        preview: Preview = together(
            value, validate, [Fault(f"/{name}", "one_of", detail) for name in CALENDARS] if wrong else []
        )
        return preview


def pause_faults(started_at: datetime, pauses: list[Pause]) -> list[Fault]:
    """What is wrong with the order and the reach of pauses."""
    late = [
        Fault(f"/{index}/until", "out_of_range", "must lie within ten years of the start")
        for index, pause in enumerate(pauses)
        if pause.until > started_at + LONGEST
    ]
    try:
        refuse_odd(started_at, pauses)
    except BadPauses as bad:
        return late + [
            Fault(error["pointer"].removeprefix("/pauses"), error["code"], error["detail"])
            for error in bad.extra["errors"]
        ]
    return late


class SegmentView(View):
    """A stretch of time and what it did to the clock; CLOSED time counts neither as running nor as paused."""

    since: datetime = Field(alias="from")
    until: datetime
    state: SegmentState
    seconds: float


class PreviewView(View):
    """When the promise would be due, and how the time passes until then."""

    deadline_at: datetime
    segments: list[SegmentView]
    truncated: Annotated[bool, Field(description="Whether there are more segments than these, the first thousand.")]
