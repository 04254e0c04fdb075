"""What keeps the endless loops of an API process alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from api.errors import is_transient

log = structlog.get_logger(__name__)


@asynccontextmanager
async def surviving(
    name: str, pause: float = 0.0, *, hindered_by: tuple[type[Exception], ...] = ()
) -> AsyncIterator[None]:
    """One pass of a loop that must not end: what fails in it is logged, and after `pause` seconds the loop goes on.

    Only cancellation ends it. What is away, or else hinders, is no fault of ours and is logged in a line.
    """
    try:
        yield
    except Exception as error:
        if is_transient(error) or isinstance(error, hindered_by):
            log.warning(f"{name}_hindered", error=type(error).__name__)
        else:
            log.exception(f"{name}_broken")
        await asyncio.sleep(pause)
