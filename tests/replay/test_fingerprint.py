"""The command sequence of the workflows changes only on purpose."""

import difflib
from pathlib import Path

import pytest

from tests.replay.fingerprint import SOURCES, STORED, current, parts

EXPLANATION = """
The commands or waits of a workflow have changed, or what they depend on:

{diff}

Workflows that started before this change will be replayed with the new code. Either bring the old sequence back, or guard the
new one with `workflow.patched(...)` so that old histories still replay, and prove it: tests/replay/test_histories.py must stay
green with the *old* files. Only then run `python -m tests.replay.record`, which stores new histories and the new fingerprint.
"""


def test_the_commands_of_the_workflows_are_those_on_record() -> None:
    stored, now = STORED.read_text(encoding="utf-8"), current()
    diff = "\n".join(difflib.unified_diff(stored.splitlines(), now.splitlines(), "stored", "now", lineterm="", n=2))
    assert stored == now, EXPLANATION.format(diff=diff)


SHELL = """
async def live(self):
    '''A docstring.'''
    self.count = 1
    self.turns += 1
    if self.ready or self.tired():
        await workflow.sleep(60, summary="a pause for people")
    self.shout()

def shout(self):
    workflow.upsert_search_attributes([])

def tired(self):
    return self.turns > 9

def quiet(self):
    return 1
"""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("'''A docstring.'''", "'''Another docstring.'''"),
        ("self.count = 1", "self.count = 2"),
        ("a pause for people", "another pause"),
        ("return 1", "return 2"),
    ],
)
def test_words_and_bookkeeping_are_free_to_change(was: str, becomes: str) -> None:
    assert parts("shell.py", SHELL.replace(was, becomes)) == parts("shell.py", SHELL)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("workflow.sleep(60", "workflow.sleep(61"),
        ("if self.ready", "if not self.ready"),
        ("await workflow.sleep", "await workflow.wait_condition"),
        ("    self.shout()\n", ""),
        ("self.turns += 1", "self.turns += 2"),
        ("self.turns > 9", "self.turns > 8"),
        ("workflow.upsert_search_attributes([])", "workflow.upsert_search_attributes([])\n    workflow.sleep(1)"),
    ],
)
def test_a_change_of_commands_is_seen(was: str, becomes: str) -> None:
    assert parts("shell.py", SHELL.replace(was, becomes)) != parts("shell.py", SHELL)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_no_workflow_asks_what_a_replay_would_answer_otherwise(source: Path) -> None:
    """After a query that interrupts a task the reported length is another one in a replay (decisions/004)."""
    asked = {"get_current_history_length", "get_current_history_size", "is_continue_as_new_suggested"}
    assert not [name for name in asked if name in source.read_text(encoding="utf-8")]
