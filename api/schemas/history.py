"""A ticket's history on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas.comments import UndeliveredView
from api.schemas.common import Money, View
from domain.sla.clocks import ClockKind, ClockState
from domain.tickets.clock_story import Why
from domain.tickets.story import Did


class HistoryActor(View):
    """Who decided: a user, or Summit itself (no id)."""

    id: UUID | None
    name: str
    role: str


class FieldChange(View):
    """A field's value before and after; null before the ticket's creation, and for what is not set."""

    before: Any
    after: Any


class ClockTarget(View):
    """What is promised: business minutes of a calendar, by a version of a definition."""

    minutes: int
    calendar: str
    calendar_id: UUID
    definition_id: UUID
    definition_version: int


class CalendarEdit(View):
    """The version of a calendar by which a clock was counted anew, and who wrote it."""

    id: UUID
    name: str
    version: int
    at: datetime
    editor: str | None


class ClockChangeView(View):
    """What a decision did to one clock; `before` is null for one that began. `deadlineAt` is null while it is paused."""

    kind: ClockKind
    cycle: int
    before: ClockState | None
    after: ClockState
    cause: Why
    deadline_at: datetime | None
    deadline_before: datetime | None
    met_at: datetime | None
    breached_at: datetime | None
    target: ClockTarget
    calendar_edit: CalendarEdit | None


class FiringView(View):
    """An escalation rule that fired: `times` counts its repeats, `noted` names rules that came due with it and for which it stands."""

    rule_id: UUID
    rule: str
    at: datetime
    times: int
    clock: ClockKind | None
    cycle: int | None
    actions: list[str]
    noted: list[str]


class ProposalView(View):
    """A credit that a definition's rule proposed for a breach."""

    breach_id: UUID
    clock: ClockKind
    cycle: int
    step: int
    overrun_minutes: int
    percent: Decimal
    amount: Money
    currency: str
    at: datetime


class PromiseEnd(View):
    """What the ticket would do by itself and did (FIRED), or need not do any more."""

    kind: str = Field(examples=["CUSTOMER_REMINDER", "AUTO_RESOLVE", "AUTO_CLOSE"])
    cycle: int
    state: str


Changed = FieldChange | list[ClockChangeView] | list[FiringView] | list[ProposalView] | list[PromiseEnd]


class HistoryView(View):
    """One decision: `at` is the instant of the event, `decidedAt` that of its recording; `summary` says it in words.

    `command` is what somebody did; `due` means that something fell due, `recalculate` that a policy was edited.
    """

    revision: int
    command: Did
    actor: HistoryActor
    at: datetime
    decided_at: datetime
    summary: str = Field(examples=["Severity SEV3 → SEV1 by Alex Agent."])
    changes: dict[str, Changed] = Field(
        description="Field → `{before, after}`; and where there are such, `clocks`, `escalations`, `credits` and `promises`, each a list.",
        examples=[{"priority": {"before": "LOW", "after": "HIGH"}}],
    )
    reason: str | None
    undelivered: list[UndeliveredView] = Field(description="Whom what was said or resolved here did not reach by mail.")
