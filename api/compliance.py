"""How promises were kept, over HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from api.dependencies import Agent, Session
from api.errors import refusals
from api.responses import reply
from api.routing import Area
from api.schemas.compliance import CreditSum, GroupFigures, MetricsQuery, MetricsView
from db.compliance import Kept, read_compliance
from domain.customers import money
from domain.sla.clocks import ClockKind
from domain.sla.compliance import NOTHING, BadPeriod, Period, period

router = Area(prefix="/api/sla/metrics", tags=["SLA"])

WHERE: Final = ({"parameter": "from"}, {"parameter": "to"})


@router.get("", response_model=MetricsView, responses=refusals(BadPeriod))
async def get_metrics(query: Annotated[MetricsQuery, Query()], agent: Agent, session: Session) -> Response:
    """How promises were kept in a period, and by group: compliance, breaches, credits, response and resolution times."""
    asked = period(query.since, query.until, datetime.now(UTC), *WHERE)
    found = await read_compliance(session, asked, query.group_by)
    groups = sorted(found.groups.items(), key=lambda item: (item[0] is None, item[0])) if query.group_by else ()
    view = MetricsView.model_validate(
        {
            **figures(found.everything),
            **bounds(asked),
            "group_by": query.group_by,
            "groups": [GroupFigures(key=key, label=kept.name, **figures(kept)) for key, kept in groups],
        }
    )
    return reply(view)


def bounds(asked: Period) -> Mapping[str, Any]:
    """The period, as the view names it."""
    return {"since": asked.since, "until": asked.until}


def figures(kept: Kept) -> dict[str, Any]:
    """What is told of a group, or of all."""
    response = kept.counts.get(ClockKind.FIRST_RESPONSE, NOTHING)
    following = kept.counts.get(ClockKind.NEXT_RESPONSE, NOTHING)
    resolution = kept.counts.get(ClockKind.RESOLUTION, NOTHING)
    sums = [CreditSum(currency=name, amount=money(amount, name)) for name, amount in sorted(kept.credits.items())]
    return {
        "response_compliance": response.compliance,
        "next_response_compliance": following.compliance,
        "resolution_compliance": resolution.compliance,
        "response_compliance_excluding_waived": response.without_waived,
        "next_response_compliance_excluding_waived": following.without_waived,
        "resolution_compliance_excluding_waived": resolution.without_waived,
        "total_breaches": sum(count.breached for count in kept.counts.values()),
        "waived_breaches": sum(count.waived for count in kept.counts.values()),
        "credit_total": single(sums),
        "credits": sums,
        "median_response_seconds": to_the_millisecond(kept.response[0]),
        "p90_response_seconds": to_the_millisecond(kept.response[1]),
        "median_resolution_seconds": to_the_millisecond(kept.resolution[0]),
        "p90_resolution_seconds": to_the_millisecond(kept.resolution[1]),
        "satisfaction": None if kept.satisfaction is None else round(kept.satisfaction, 2),
    }


def to_the_millisecond(seconds: float | None) -> float | None:
    """Without the digits that interpolating adds."""
    return None if seconds is None else round(seconds, 3)


def single(sums: list[CreditSum]) -> Decimal | None:
    """The sum of the only currency; dollars and euros are not added."""
    if not sums:
        return Decimal()
    return sums[0].amount if len(sums) == 1 else None
