"""All that a tenant promises, as the decisions on its tickets look things up in it."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from uuid import UUID

from pydantic import PrivateAttr

from domain.customers import Tier
from domain.process import Frozen
from domain.sla.calendars import Calendar
from domain.sla.clocks import ClockKind, Target
from domain.sla.credits import CreditRule
from domain.sla.escalation import Rule
from domain.sla.timetable import Timetable, no_holidays
from domain.tickets.model import Severity

PublicHolidays = Callable[[str], Callable[[int], frozenset[date]]]
"""From a country's code to its public holidays by year."""


class NamedCalendar(Calendar):
    """The current version of a calendar, also one that no definition may use any more."""

    id: UUID
    version: int
    name: str


class Definition(Frozen):
    """The current version of a definition that is in force."""

    id: UUID
    version: int
    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: int
    calendar_id: UUID


class Granted(Frozen):
    """What one version of a definition, perhaps an old one, grants for a breach."""

    id: UUID
    version: int
    credit: CreditRule


class SlaPolicy(Frozen):
    """A tenant's policy as of one revision. What is derived from it is kept, so hold on to it as long as the revision holds."""

    calendars: tuple[NamedCalendar, ...] = ()
    definitions: tuple[Definition, ...] = ()
    credits: tuple[Granted, ...] = ()
    rules: tuple[Rule, ...] = ()
    _timetables: dict[str, Mapping[UUID, Timetable]] = PrivateAttr(default_factory=dict)

    def target(self, tier: Tier, severity: Severity, kind: ClockKind) -> Target | None:
        """What is promised to such a ticket; None where nothing is."""
        return self._targets.get((tier, severity, kind))

    def credit(self, definition_id: UUID, version: int) -> CreditRule | None:
        """What a version of a definition grants; None where it grants nothing."""
        return self._credits.get((definition_id, version))

    def calendar(self, calendar_id: UUID) -> NamedCalendar | None:
        """The current version of a calendar."""
        return self._calendars.get(calendar_id)

    def timetables(self, home: str, public: PublicHolidays) -> Mapping[UUID, Timetable]:
        """The timetable of each calendar for an account in the zone `home`. Raises ValueError for a country unknown to `public`."""
        found = self._timetables.get(home)
        if found is None:
            found = self._timetables[home] = {each.id: self._timetable(each, home, public) for each in self.calendars}
        return found

    def _timetable(self, calendar: NamedCalendar, home: str, public: PublicHolidays) -> Timetable:
        """Calendars with a zone of their own are the same for everybody, and so are the days that they have laid out."""
        if calendar.time_zone is not None:
            for tables in self._timetables.values():
                return tables[calendar.id]
        return Timetable(calendar, home, public(calendar.country) if calendar.country else no_holidays)

    @cached_property
    def _targets(self) -> dict[tuple[Tier, Severity, ClockKind], Target]:
        return {
            (each.tier, each.severity, each.kind): Target(
                definition_id=each.id,
                version=each.version,
                calendar_id=each.calendar_id,
                minutes=each.target_minutes,
            )
            for each in self.definitions
        }

    @cached_property
    def _credits(self) -> dict[tuple[UUID, int], CreditRule]:
        return {(each.id, each.version): each.credit for each in self.credits}

    @cached_property
    def _calendars(self) -> dict[UUID, NamedCalendar]:
        return {each.id: each for each in self.calendars}
