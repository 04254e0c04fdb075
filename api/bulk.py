"""Many tickets changed at once: judged as a whole when it is asked for, then done ticket by ticket as a job."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from api.constraints import UnknownReference
from api.dependencies import Agent, App, Session
from api.errors import Refused, refusals
from api.jobs import accept
from api.kept_fields import UnfitFields
from api.processes import Broken, Finished, Processes
from api.records import Once, refuse_unknown
from api.routing import Area
from api.schemas.bulk import BulkBody
from api.schemas.jobs import JobView
from api.ticket_kind import TICKET
from db.tickets.relations import colleagues_called
from domain.ids import command_id, derived_id
from domain.jobs import Failure, Job, Page
from domain.process import Invalid, KeyReused, NotFound
from domain.protocol import Message
from domain.tickets.commands import AddComment, ApplyMacro, ChangeTicket
from domain.tickets.fields import check
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.model import Status

router = Area(prefix="/api/tickets", tags=["Tickets"])

BULK: Final = "BULK"
NAME: Final = "Bulk update"
"""How the histories of the tickets call it."""

PAGE: Final = 20
AT_ONCE: Final = 4
"""Tickets that are decided at a time: at most so many of the worker's slots are taken from the desk."""


class NothingToDo(Invalid):
    """Neither the patch nor a comment says what to do."""

    def __init__(self) -> None:
        error = {"pointer": "/patch", "code": "missing", "detail": "must change something, unless there is a comment"}
        super().__init__("There is nothing to do.", [error])


@router.post(
    "/bulk",
    status_code=202,
    response_model=JobView,
    responses=refusals(NothingToDo, UnknownReference, UnfitFields, KeyReused),
)
async def change_tickets(body: BulkBody, agent: Agent, app: App, session: Session, once: Once) -> Response:
    """Change up to 500 tickets, each by a decision of its own. The job tells which could not be changed, and why."""
    patch = body.patch.model_dump(mode="json", exclude_unset=True)
    tags = {name: getattr(body, name) for name in ("add_tags", "remove_tags") if name in body.model_fields_set}
    if not patch.keys() - {"reason"} and body.comment is None and not any(tags.values()):
        raise NothingToDo
    people = {("/patch/assigneeId", "colleague"): body.patch.assignee_id, ("/patch/teamId", "team"): body.patch.team_id}
    await refuse_unknown(session, people)
    if "fields" in patch:
        defined = await app.desk.fields.of(agent.tenant_id, session)
        if faults := check(defined, patch["fields"], by_staff=True, within="/patch/fields"):
            raise UnfitFields(faults)
        patch["fields"] = defined.kept(patch["fields"])
    comment = body.comment.model_dump(mode="json", exclude_unset=True) if body.comment else None
    if comment and comment.get("internal") and (called := await colleagues_called(session, comment["body"])):
        comment["mentions"] = [str(each) for each in called]
    return await accept(
        once, BULK, {"ids": [str(each) for each in body.ids], "patch": patch, "comment": comment, "tags": tags}, agent
    )


@dataclass(frozen=True)
class Bulk:
    """Runs such jobs."""

    processes: Processes

    async def run(self, job: Job) -> AsyncGenerator[Page, None]:
        """Change the tickets in the order in which they were named, a few at a time."""
        given: Any = job.input["ids"]
        ids = [UUID(each) for each in given]
        done, failed = job.cursor if isinstance(job.cursor, list) else (0, 0)
        start, missed = int(str(done)), int(str(failed))
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(ticket: UUID) -> Failure | None:
            async with gate:
                return await self.changed(job, ticket)

        for first in range(start, len(ids), PAGE):
            portion = ids[first : first + PAGE]
            failures = tuple(each for each in await asyncio.gather(*map(one, portion)) if each)
            reached, missed = first + len(portion), missed + len(failures)
            result: Any = {"changed": reached - missed, "failed": missed}
            yield Page(done=reached, total=len(ids), cursor=[reached, missed], failures=failures, result=result)

    async def changed(self, job: Job, ticket: UUID) -> Failure | None:
        """Change one ticket; the job's id makes a repeat find the first answer."""
        identity = command_id(job.tenant_id, str(job.author.id), BULK, ticket, str(job.id))
        update, command = what(job, identity)
        message = Message[Any](
            tenant_id=job.tenant_id,
            command=command,
            command_id=identity,
            fingerprint=str(job.id),
            actor=job.author,
        )
        try:
            await self.processes.update(TICKET, ticket, update, message)
        except Finished as finished:
            return Failure(id=str(ticket), detail=TicketFinal(Status(finished.state["status"])).detail)
        except NotFound:
            return Failure(id=str(ticket), detail="There is no such ticket.")
        except Refused as refused:
            return Failure(id=str(ticket), detail=refused.record.detail)
        except Broken:
            return Failure(id=str(ticket), detail="Something went wrong here.")
        return None


def what(job: Job, identity: str) -> tuple[str, ChangeTicket | ApplyMacro]:
    """What to do with one ticket, and the update that takes it: with a comment or tags all happens in one decision."""
    patch, comment = job.input["patch"], job.input["comment"]
    tags: Any = job.input.get("tags") or {}
    change = ChangeTicket.model_validate(patch)
    if not isinstance(comment, dict) and not tags:
        return "change", change
    parts: dict[str, Any] = {name: tuple(each) for name, each in tags.items()}
    if patch:
        parts["change"] = change
    if isinstance(comment, dict):
        parts["comment"] = AddComment.model_validate({**comment, "comment_id": derived_id("comment", identity)})
    return "macro", ApplyMacro(template_id=job.id, name=NAME, **parts)
