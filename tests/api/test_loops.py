"""The loops of an API process go on whatever fails in them, and end when they are cancelled."""

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api import queues
from api.errors import Unavailable
from api.loops import surviving
from api.queues import Queues


@pytest.mark.parametrize("error", [KeyError("a fault of ours"), Unavailable(), OSError(), TimeoutError()])
async def test_a_loop_goes_on_after_whatever_fails_in_it(error: Exception) -> None:
    passes = 0
    while passes < 3:
        async with surviving("test"):
            passes += 1
            raise error
    assert passes == 3


async def test_a_loop_pauses_after_what_failed_and_only_then() -> None:
    clock = asyncio.get_running_loop()
    begun = clock.time()
    async with surviving("test", 0.05):
        raise Unavailable
    assert clock.time() - begun >= 0.05
    begun = clock.time()
    async with surviving("test", 60):
        pass
    assert clock.time() - begun < 1


async def test_a_loop_ends_when_it_is_cancelled() -> None:
    async def run() -> None:
        while True:
            async with surviving("test"):
                await asyncio.sleep(3600)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_queues_are_looked_at_again_after_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, thrice = [], asyncio.Event()

    class Broken:
        def connect(self) -> Any:
            looked.append(1)
            if len(looked) == 3:
                thrice.set()
            raise KeyError("a fault of ours")

    monkeypatch.setattr(queues, "SWEEP_SECONDS", 0.0)
    task = asyncio.create_task(Queues(cast("AsyncEngine", Broken()), cast("Any", None)).run())
    async with asyncio.timeout(5):
        await thrice.wait()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
