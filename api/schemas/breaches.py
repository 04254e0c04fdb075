"""Broken promises on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Body, Currency, Instant, Money, Resource, View, says_something, storable
from domain.sla.clocks import Cause, ClockKind

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000),
    AfterValidator(storable),
    AfterValidator(says_something),
]
"""Why somebody did it."""


class Person(View):
    """Who did it, as they were called then."""

    id: UUID
    name: str


class ProposedCredit(View):
    """What the definition's rule proposes for the overrun, cut to what is left of the account's month."""

    amount: Money
    currency: str
    percent: Annotated[Decimal, Field(description="Of the monthly fee.")]


class CreditView(View):
    """What was credited."""

    amount: Money
    currency: str
    at: datetime
    by: Person


class BreachView(Resource):
    """A broken promise: the facts, which never change, and what was done about it.

    `overrunSeconds` is business time beyond the target, up to now while the promise is not kept. An `annulled` one was kept in
    time after all. `version` counts what was done about it.
    """

    ticket_id: UUID
    ticket_number: Annotated[str, Field(examples=["SUP-1042"])]
    account_id: UUID | None
    kind: ClockKind
    cycle: int
    deadline_at: datetime
    breached_at: datetime
    detected_at: datetime
    overrun_seconds: float
    cause: Cause
    annulled: bool
    acknowledged_by: Person | None
    acknowledged_at: datetime | None
    reason: Annotated[str | None, Field(description="Why it was broken, as whoever acknowledged it wrote.")]
    waived: bool
    waived_reason: str | None
    proposed_credit: ProposedCredit | None
    credit: CreditView | None


class BreachQuery(Body):
    """Filters and page of the list; the period is that of `breachedAt` and half open, and a repeated kind means any of them."""

    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None
    kind: list[ClockKind] = []
    ticket_id: UUID | None = None
    account_id: UUID | None = None
    acknowledged: bool | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=500)] | None = None


class Acknowledge(Body):
    """Somebody has taken notice, and may say why the promise was broken."""

    reason: Reason | None = None


class Waive(Body):
    """The breach is not held against the desk."""

    reason: Reason


class GrantCredit(Body):
    """A credit for the customer; without a currency that of the account."""

    amount: Annotated[Money, Field(gt=0, examples=["100.00"])]
    currency: Currency | None = None
    reason: Reason | None = None
