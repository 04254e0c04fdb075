"""The dispatcher lets a storm of decisions go first, and never for long."""

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from activities.notifications import dispatcher
from activities.notifications.dispatcher import Dispatcher


class Shelf:
    """A lane that notes when it is looked at."""

    name = "shelf"
    places = 1

    def __init__(self, crowd: list[bool]) -> None:
        self.crowd = crowd
        self.left: list[int] = []

    def crowded(self) -> bool:
        return bool(self.crowd) and self.crowd.pop(0)

    async def lease(self, busy: Collection[str], most: int) -> Sequence[Any]:
        self.left.append(len(self.crowd))
        return []

    def key(self, item: Any) -> str:
        return str(item)

    async def handle(self, item: Any) -> None:
        raise AssertionError("nothing was leased")


class Quiet:
    """A bell that rings at once."""

    async def rest(self) -> None:
        return None

    class rung:  # noqa: N801 - stands for the event
        @staticmethod
        def clear() -> None:
            return None


async def nothing() -> None:
    return None


async def looked(crowd: list[bool]) -> list[int]:
    """How many looks at the crowd were left when the dispatcher leased."""
    shelf = Shelf(crowd)
    await Dispatcher([shelf], Quiet(), nothing, shelf.crowded)._look()  # type: ignore[arg-type]
    return shelf.left


async def test_a_crowd_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "STEP_SECONDS", 0)
    assert await looked([True, True, False, True]) == [1]


async def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "STEP_SECONDS", 0)
    [left] = await looked([True] * 100)
    assert left == 100 - dispatcher.MOST_STEPS - 1
