"""Business calendars on the wire."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, Day, Line, OwnTenant, TimeZone, View
from api.schemas.sla.faults import refuse, sound
from api.schemas.sla.versions import Version
from domain.sla.calendars import DAYS, Calendar, Fault, Holiday, Weekday, faults
from runtime.holidays import public_holidays

T = TypeVar("T")

Hours = Annotated[
    list[tuple[str, str]],
    Field(
        examples=[[["09:00", "17:00"]]],
        description="Windows as pairs of wall times; 24:00 ends a day, and a closing before its opening is the next day's.",
    ),
]

ALWAYS: Final = dict.fromkeys(DAYS, (("00:00", "24:00"),))
NEVER_OPENS: Final = "never_opens"


def known_country(code: str) -> str:
    """`code`, when its public holidays are known."""
    try:
        public_holidays(code)
    except ValueError as error:
        raise PydanticCustomError("country", "{reason}", {"reason": str(error)}) from None
    return code


Country = Annotated[str, Field(max_length=6, examples=["DE-BY"]), AfterValidator(known_country)]
"""A country (ISO 3166-1 alpha-2), perhaps with a subdivision, whose public holidays are closed all day."""


class Week(BaseModel):
    """The opening hours of a week; a day that is left out is closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    MON: Hours = []
    TUE: Hours = []
    WED: Hours = []
    THU: Hours = []
    FRI: Hours = []
    SAT: Hours = []
    SUN: Hours = []


class HolidayBody(Body):
    """A date whose windows replace those of its weekday; without any it is closed."""

    date: Day
    windows: Hours = []


def holiday_faults(holidays: Sequence[HolidayBody], places: Sequence[int]) -> list[Fault]:
    """What is wrong with holidays that stand at these places of a list."""
    dates = tuple(Holiday.model_validate(holiday.model_dump()) for holiday in holidays)
    found = []
    for fault in faults(Calendar(week=ALWAYS, holidays=dates)):
        head, number, *rest = fault.pointer.removeprefix("/").split("/") if fault.pointer.count("/") > 1 else ["", ""]
        found.append(fault._replace(pointer="/".join(("", head, str(places[int(number)]), *rest))) if head else fault)
    return found


class CalendarFields(Body):
    """When time counts."""

    time_zone: Annotated[TimeZone | None, Field(description="Null: that of the customer's account.")] = None
    week: Week
    holidays: list[HolidayBody] = []
    country: Country | None = None

    @field_validator("week", mode="wrap")
    @classmethod
    def _usable(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Week:
        """The days that can be read are judged although others cannot; but not whether the week ever opens."""
        try:
            week: Week = validate(value)
        except ValidationError as error:
            rest = faults(Calendar.model_validate({"week": sound(value, error)}))
            refuse((fault for fault in rest if fault.code != NEVER_OPENS), "/week", error.errors())
            raise
        refuse(faults(Calendar.model_validate({"week": week.model_dump(exclude_unset=True)})), "/week")
        return week

    @field_validator("holidays", mode="wrap")
    @classmethod
    def _consistent(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> list[HolidayBody]:
        """The dates that can be read are judged although others cannot."""
        try:
            holidays: list[HolidayBody] = validate(value)
        except ValidationError as error:
            bad = {each["loc"][0] for each in error.errors() if each["loc"]}
            good = [place for place in range(len(value)) if place not in bad] if isinstance(value, list) else []
            found = holiday_faults([HolidayBody.model_validate(value[place]) for place in good], good)
            refuse(found, "/holidays", error.errors())
            raise
        refuse(holiday_faults(holidays, range(len(holidays))), "/holidays")
        return holidays

    def calendar(self) -> Calendar:
        """The calendar that the body describes."""
        return Calendar(
            time_zone=self.time_zone,
            week=self.week.model_dump(exclude_unset=True),
            holidays=tuple(Holiday.model_validate(holiday.model_dump()) for holiday in self.holidays),
            country=self.country,
        )


EXAMPLE: Final[dict[str, Any]] = {
    "name": "Munich office",
    "timeZone": "Europe/Berlin",
    "week": {"MON": [["09:00", "12:30"], ["13:00", "17:00"]], "FRI": [["22:00", "06:00"]]},
    "holidays": [{"date": "2026-12-24", "windows": [["09:00", "12:00"]]}, {"date": "2026-12-31", "windows": []}],
    "country": "DE-BY",
}


class ReplaceCalendar(CalendarFields):
    """The next version of a calendar, whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Annotated[Line, Field(examples=["Munich office"])]


class CreateCalendar(ReplaceCalendar):
    """A new calendar."""

    tenant_id: OwnTenant | None = None


class InlineCalendar(CalendarFields):
    """A calendar to try, which need not exist nor have a name."""

    name: Line | None = None


def monday_first(week: dict[Weekday, T]) -> dict[Weekday, T]:
    """The days in their order, which the database does not keep."""
    return {day: week[day] for day in DAYS if day in week}


class HolidayView(View):
    """A date with hours of its own."""

    date: date
    windows: list[tuple[str, str]]


class CalendarView(Version):
    """When time counts, for the definitions that name it."""

    name: str
    time_zone: str | None
    week: Annotated[dict[Weekday, list[tuple[str, str]]], AfterValidator(monday_first)]
    holidays: list[HolidayView]
    country: str | None
