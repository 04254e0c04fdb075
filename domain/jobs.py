"""Jobs: what one is, and what a page of its work amounts to."""

from collections.abc import AsyncGenerator, Callable, Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from domain.identity import Actor
from domain.process import Frozen


class JobState(StrEnum):
    """How far a job is. The last two are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


MOST_TOLD: Final = 500
"""How many failures a job tells: all of a bulk job's."""


class Failure(Frozen):
    """An item that could not be done, and why; the others were done all the same. A job tells its first ones."""

    id: str
    detail: str


class Job(Frozen):
    """A job as its handler gets it: with the place where the pages recorded so far have ended."""

    id: UUID
    tenant_id: UUID
    kind: str
    input: dict[str, JsonValue]
    author: Actor
    cursor: JsonValue = None
    done: int = 0
    total: int | None = None
    attempts: int = 1


class Page(Frozen):
    """A page of work that is finished. `done` counts from the job's beginning, its failures included.

    After a crash the job goes on behind `cursor`; one without is started again. The last page may bring the `result`.
    """

    done: int
    total: int | None = None
    cursor: JsonValue = None
    failures: tuple[Failure, ...] = ()
    result: dict[str, JsonValue] | None = None


class JobFailed(Exception):
    """The job cannot be finished, now or later; `detail` is shown to whoever asked for it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


Handler = Callable[[Job], AsyncGenerator[Page, None]]
"""Does a job page by page, from its cursor on."""

Kinds = Mapping[str, Handler]
