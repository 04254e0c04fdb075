"""Jobs: asking for one, leasing it, and writing down how far it has come. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Float,
    Integer,
    RowMapping,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    insert,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.jobs import jobs
from domain.identity import Actor
from domain.jobs import MOST_TOLD, JobState, Page

J: Final = jobs.c
SHOWN: Final = [
    column for column in jobs.c if column.name not in {"tenant_id", "input", "cursor", "lease_id", "leased_until"}
]

_id = bindparam("job", type_=Uuid)
_mine = (J.id == _id, J.lease_id == bindparam("lease", type_=Uuid), J.state == "RUNNING")
_ends = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Float))
_moved = {"version": J.version + 1, "updated_at": func.now()}
_after_at = bindparam("after_at", type_=DateTime(timezone=True))
_after_id = bindparam("after_id", type_=Uuid)
_kinds = bindparam("kinds", type_=ARRAY(Text))

JOB: Final = select(*SHOWN).where(J.id == _id)
JOBS: Final = (
    select(*SHOWN)
    .where(
        or_(_after_at.is_(None), func.row(J.created_at, J.id) < func.row(_after_at, _after_id)),
        or_(_kinds.is_(None), J.kind == func.any(_kinds)),
    )
    .order_by(J.created_at.desc(), J.id.desc())
    .limit(bindparam("count"))
)
LEASE: Final = text("select * from lease_job(cast(:kinds as text[]), :lease, :seconds)").bindparams(
    bindparam("lease", type_=Uuid), bindparam("seconds", type_=Float)
)
WAITING: Final = (
    select(J.id)
    .where(
        J.kind == bindparam("kind", type_=Text),
        J.state == "QUEUED",
        J.done == 0,
        J.input == bindparam("input", type_=JSONB),
    )
    .with_for_update()
    .limit(1)
)
RENEW: Final = update(jobs).where(*_mine).values(leased_until=_ends).returning(J.id)
RECORD: Final = (
    update(jobs)
    .where(*_mine)
    .values(
        done=bindparam("done_now", type_=Integer),
        total=func.coalesce(bindparam("total_now", type_=Integer), J.total),
        cursor=bindparam("cursor_now", type_=JSONB(none_as_null=True)),
        failures=func.jsonb_path_query_array(
            J.failures.op("||")(bindparam("failed", type_=JSONB)), text(f"'$[0 to {MOST_TOLD - 1}]'::jsonpath")
        ),
        result=func.coalesce(bindparam("result_now", type_=JSONB(none_as_null=True)), J.result),
        attempts=0,
        leased_until=_ends,
        **_moved,
    )
    .returning(J.id)
)
# A page that was done and not written down before a crash, and items that went by themselves, are missing from the count: a job
# that came to its end has done them all.
_all = func.greatest(J.done, func.coalesce(J.total, 0))
FINISH: Final = (
    update(jobs)
    .where(*_mine)
    .values(
        state=bindparam("state_now", type_=Text),
        done=case((bindparam("state_now", type_=Text) == JobState.DONE, _all), else_=J.done),
        total=case((bindparam("state_now", type_=Text) == JobState.DONE, _all), else_=J.total),
        result=func.coalesce(bindparam("result_now", type_=JSONB(none_as_null=True)), J.result),
        lease_id=null(),
        leased_until=null(),
        **_moved,
    )
    .returning(J.id)
)
YIELD: Final = update(jobs).where(*_mine).values(leased_until=_ends, lease_id=null()).returning(J.id)


async def enqueue(
    connection: AsyncConnection, job_id: UUID, kind: str, job_input: Mapping[str, Any], author: Actor
) -> RowMapping:
    """Ask for a job in the caller's transaction: it is there as soon as that commits, and never if it does not."""
    values = {"id": job_id, "kind": kind, "input": dict(job_input), "author": author.model_dump(mode="json")}
    return (await connection.execute(insert(jobs).returning(*SHOWN), values)).mappings().one()


async def enqueue_once(
    connection: AsyncConnection, job_id: UUID, kind: str, job_input: Mapping[str, Any], author: Actor
) -> None:
    """Ask for a job, unless one that wants the same waits to be begun: that one will see what this transaction wrote."""
    waiting = (await connection.execute(WAITING, {"kind": kind, "input": dict(job_input)})).first()
    if waiting is None:
        await enqueue(connection, job_id, kind, job_input, author)


async def find_job(connection: AsyncConnection, job_id: UUID) -> RowMapping | None:
    """One job."""
    return (await connection.execute(JOB, {"job": job_id})).mappings().first()


async def list_jobs(
    connection: AsyncConnection, *, count: int, after: tuple[datetime, UUID] | None, kinds: Sequence[str] | None
) -> Sequence[RowMapping]:
    """Jobs, the newest first."""
    at, last = after if after is not None else (None, None)
    values = {"after_at": at, "after_id": last, "count": count, "kinds": kinds}
    return (await connection.execute(JOBS, values)).mappings().all()


async def lease(connection: AsyncConnection, kinds: Sequence[str], lease_id: UUID, seconds: float) -> RowMapping | None:
    """Take the job of any tenant that has waited longest and that nobody has; its lease ends by itself after `seconds`."""
    values = {"kinds": list(kinds), "lease": lease_id, "seconds": seconds}
    return (await connection.execute(LEASE, values)).mappings().first()


async def renew(connection: AsyncConnection, job_id: UUID, lease_id: UUID, seconds: float) -> bool:
    """Have a job for `seconds` more; False when it is no longer ours."""
    values = {"job": job_id, "lease": lease_id, "seconds": seconds}
    return (await connection.execute(RENEW, values)).first() is not None


async def record(connection: AsyncConnection, job_id: UUID, lease_id: UUID, page: Page, seconds: float) -> bool:
    """Write down a page that is done, and renew the lease; False when the job is no longer ours."""
    values = {
        "job": job_id,
        "lease": lease_id,
        "seconds": seconds,
        "done_now": page.done,
        "total_now": page.total,
        "cursor_now": page.cursor,
        "failed": [failure.model_dump() for failure in page.failures],
        "result_now": page.result,
    }
    return (await connection.execute(RECORD, values)).first() is not None


async def finish(
    connection: AsyncConnection, job_id: UUID, lease_id: UUID, state: JobState, result: Mapping[str, Any] | None = None
) -> bool:
    """End a job; False when it is no longer ours."""
    values = {"job": job_id, "lease": lease_id, "state_now": state.value, "result_now": result}
    return (await connection.execute(FINISH, values)).first() is not None


async def put_back(connection: AsyncConnection, job_id: UUID, lease_id: UUID, seconds: float) -> bool:
    """Leave a job to whoever comes after `seconds`; False when it is no longer ours."""
    values = {"job": job_id, "lease": lease_id, "seconds": seconds}
    return (await connection.execute(YIELD, values)).first() is not None
