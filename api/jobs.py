"""Jobs over HTTP: how far work in the background has come; and how a route asks for some."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import RowMapping
from starlette.responses import Response

from api.auth import Caller
from api.dependencies import Agent, PageQuery, Session
from api.paging import Page
from api.records import Repeatable, new_id
from api.responses import reply
from api.routing import Area
from api.schemas.common import Word
from api.schemas.jobs import JobView
from db import jobs
from domain.process import NotFound

router = Area(prefix="/api/jobs", tags=["Jobs"])


@router.get("", response_model=Page[JobView])
async def list_jobs(
    agent: Agent, session: Session, page: PageQuery, kind: Annotated[list[Word] | None, Query()] = None
) -> Response:
    """The jobs of this tenant, the newest first."""
    rows = await jobs.list_jobs(session, count=page.count, after=page.after_newest(), kinds=kind)
    return reply(page.page(rows, shown))


@router.get("/{job_id}", response_model=JobView)
async def get_job(job_id: UUID, agent: Agent, session: Session) -> Response:
    """One job: how far it is, what failed, and its result once it is done."""
    view = shown(await jobs.find_job(session, job_id))
    return reply(view, version=view.version)


async def accept(once: Repeatable, kind: str, job_input: Mapping[str, Any], caller: Caller) -> Response:
    """Ask for a job in the request's transaction, and answer 202 with it; a repeat under the same key gets the same job."""
    view = shown(await jobs.enqueue(once.session, new_id(), kind, job_input, caller.actor))
    return await once.reply(view, 202, version=view.version, location=f"{router.prefix}/{view.id}")


def shown(row: RowMapping | None) -> JobView:
    """A job to show. Raises NotFound."""
    if row is None:
        raise NotFound("There is no such job.")
    return JobView.model_validate({**row, "requested_by": row["author"].get("name", "")}, extra="ignore")
