"""Whether this process lives, whether it can work, and what it measures."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import text
from starlette.responses import Response

from api.dependencies import App
from api.errors import Unavailable, problem_response
from api.responses import reply
from api.routing import Area
from api.schemas.common import View
from api.services import Services

router = Area(tags=["System"])

PROBE_SECONDS: Final = 2.0
PING: Final = text("select 1")


class Health(View):
    """All is well."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", response_model=Health)
async def healthz() -> Response:
    """The process is up. Says nothing about what it leans on, so that an outage of theirs does not restart it."""
    return reply(Health())


@router.get(
    "/readyz", response_model=Health, responses={503: problem_response("Postgres or Temporal does not answer.")}
)
async def readyz(app: App) -> Response:
    """The process can work: Postgres and Temporal answer."""
    away = [name for name in await asyncio.gather(probe("Postgres", ping(app)), probe("Temporal", reach(app))) if name]
    if away:
        raise Unavailable(f"{' and '.join(away)} cannot be reached.")
    return reply(Health())


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(app: App) -> Response:
    """Measurements for Prometheus."""
    return Response(app.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def probe(name: str, question: Coroutine[Any, Any, object]) -> str | None:
    """`name`, when the question is not answered in time. Does not wait for a cancelled question either: it may hang."""
    task = asyncio.ensure_future(question)
    done, _ = await asyncio.wait({task}, timeout=PROBE_SECONDS)
    if not done:
        task.cancel()
    return None if done and task.exception() is None else name


async def ping(app: Services) -> None:
    """Ask Postgres."""
    async with app.engine.connect() as connection:
        await connection.execute(PING)


async def reach(app: Services) -> None:
    """Ask Temporal."""
    await app.temporal.service_client.check_health(timeout=timedelta(seconds=PROBE_SECONDS))
