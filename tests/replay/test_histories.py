"""Stored histories replay without error under today's workflows, in the sandbox."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay.record import HISTORIES, LIVES
from workflows.tickets import TicketWorkflow
from workflows.timing import ROLL_OVER_ATTEMPTS

FILES = sorted(HISTORIES.glob("*.json"))

KEPT = sorted((HISTORIES.parent / "kept").glob("*.json"))
"""Histories of what seldom happens, which the recorder cannot bring about: an attempt that timed out is replayed differently."""


def stored(file: Path) -> WorkflowHistory:
    """A history as `tests.replay.record` wrote it."""
    content = json.loads(file.read_text(encoding="utf-8"))
    return WorkflowHistory.from_json(content["workflowId"], content["history"])


def test_every_kind_of_life_is_on_record() -> None:
    assert {file.stem.split("-")[1] for file in FILES} == LIVES.keys()


def test_a_timed_out_attempt_is_on_record() -> None:
    markers = [event.marker_recorded_event_attributes for file in KEPT for event in stored(file).events]
    assert any(marker.failure.HasField("timeout_failure_info") for marker in markers)


def test_the_long_life_has_more_than_one_run() -> None:
    decided = [
        sum(event.HasField("marker_recorded_event_attributes") for event in stored(file).events)
        for file in FILES
        if "-long-" in file.stem
    ]
    assert len(decided) > 1
    assert max(decided) == ROLL_OVER_ATTEMPTS


@pytest.mark.parametrize("file", FILES + KEPT, ids=lambda file: file.stem)
async def test_a_stored_history_replays(file: Path) -> None:
    replayer = Replayer(workflows=[TicketWorkflow], data_converter=pydantic_data_converter)
    await replayer.replay_workflow(stored(file))
