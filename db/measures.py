"""What Prometheus reads of all tenants together, through functions that row-level security does not bind."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ARRAY, Float, Interval, RowMapping, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

REFRESH: Final = text("select refresh_measures(:bounds, :lag_bounds, :overlap, :most)").bindparams(
    bindparam("bounds", type_=ARRAY(Float)),
    bindparam("lag_bounds", type_=ARRAY(Float)),
    bindparam("overlap", type_=Interval),
)
MEASURES: Final = text("select * from all_measures()")


async def refresh_measures(
    connection: AsyncConnection, bounds: Sequence[float], lag_bounds: Sequence[float], overlap: timedelta, most: int
) -> int | None:
    """Count what is new, of each tenant at most `most` tickets. Returns the most looked at of one; None while another process is at it."""
    values = {"bounds": list(bounds), "lag_bounds": list(lag_bounds), "overlap": overlap, "most": most}
    looked: int | None = (await connection.execute(REFRESH, values)).scalar()
    return looked


async def read_measures(connection: AsyncConnection) -> Sequence[RowMapping]:
    """The counts as they were refreshed last."""
    return (await connection.execute(MEASURES)).mappings().all()
