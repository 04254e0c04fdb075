"""Crashes, outages and losses in small, on a real installation; `make chaos` does the same at length (docs/chaos.md)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos import crashes, outages
from tests.chaos.findings import Finding, violations
from tests.chaos.installation import Installation

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """An installation of our own, because we break it."""
    made = Installation(tmp_path_factory.mktemp("faults"))
    try:
        yield made
    finally:
        await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def supervised(installation: Installation) -> Installation:
    """The installation with a supervisor, which starts again what dies."""
    if not installation.is_supervised:
        await installation.start()
    return installation


@pytest_asyncio.fixture(loop_scope="session")
async def unsupervised(installation: Installation) -> Installation:
    """The installation without a supervisor: what is killed stays away."""
    if not installation.published:
        await installation.start()
    await installation.abandon()
    return installation


def expect_nothing_wrong(findings: list[Finding]) -> None:
    assert violations(findings) == []


@pytest.mark.parametrize("victim", ["worker", "temporal", "postgres"])
async def test_creates_survive_kill_9(supervised: Installation, victim: str) -> None:
    expect_nothing_wrong(await crashes.killed_during_creates(supervised, victim, count=30))


async def test_updates_over_several_runs_leave_a_gapless_history(supervised: Installation) -> None:
    expect_nothing_wrong(await crashes.many_updates(supervised, count=100))


async def test_many_simultaneous_updates_of_one_ticket_are_all_taken(supervised: Installation) -> None:
    # How long 200 of them may take is measured by `make chaos`; a test machine may be busy.
    expect_nothing_wrong(await crashes.at_once(supervised, count=60, within=30))


async def test_tickets_outlive_the_database_of_temporal(supervised: Installation) -> None:
    expect_nothing_wrong(await outages.temporal_lost(supervised, count=5))


async def test_a_worker_killed_after_its_commit_loses_and_doubles_nothing(unsupervised: Installation) -> None:
    expect_nothing_wrong(await crashes.killed_after_commit(unsupervised, api_too=False))


async def test_deadlines_and_updates_survive_a_frozen_postgres(unsupervised: Installation) -> None:
    expect_nothing_wrong(await outages.postgres_away(unsupervised, 12, deadlines=6, updates=3, frozen=True))


async def test_a_lost_timer_is_mended_by_the_auditor(unsupervised: Installation) -> None:
    expect_nothing_wrong(await outages.timer_lost(unsupervised, count=2, sweeps=1))
