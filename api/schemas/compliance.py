"""How promises were kept, on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.common import Body, Instant, Money, View
from domain.sla.compliance import GroupBy

Percent = Annotated[float | None, Field(ge=0, le=100, examples=[98.72])]
"""0 to 100 with two decimals; null when there was nothing to keep."""

Seconds = Annotated[float | None, Field(ge=0, description="To the millisecond.")]


class CreditSum(View):
    """What was credited in one currency."""

    currency: str
    amount: Money


class Figures(View):
    """Compliance is met ÷ (met + breached) over the cycles whose deadline lies in the period.

    Breached ones that are not kept yet count; cancelled and annulled ones do not. Times are from the creation of the tickets
    that were created in the period. `creditTotal` is null when there is more than one currency: see `credits`.
    """

    response_compliance: Percent
    next_response_compliance: Percent
    resolution_compliance: Percent
    response_compliance_excluding_waived: Percent
    next_response_compliance_excluding_waived: Percent
    resolution_compliance_excluding_waived: Percent
    total_breaches: int
    waived_breaches: int
    credit_total: Money | None
    credits: list[CreditSum]
    median_response_seconds: Seconds
    p90_response_seconds: Seconds
    median_resolution_seconds: Seconds
    p90_resolution_seconds: Seconds
    satisfaction: Annotated[
        float | None,
        Field(ge=1, le=5, description="Mean of the ratings given in the period, with two decimals; null for none."),
    ]


class GroupFigures(Figures):
    """The figures of one group; `key` is null for what has none, such as tickets without a team."""

    key: Annotated[str | None, Field(examples=["PREMIUM"])]
    label: Annotated[str | None, Field(examples=["PREMIUM"])]


class MetricsView(Figures):
    """The figures of a period, and those of each group."""

    since: Annotated[datetime, Field(alias="from")]
    until: Annotated[datetime, Field(alias="to")]
    group_by: GroupBy | None
    groups: list[GroupFigures]


class MetricsQuery(Body):
    """The period is half open: the last 30 days unless told otherwise, and five years at most."""

    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None
    group_by: GroupBy | None = None
