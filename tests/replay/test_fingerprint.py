"""The command sequence of the workflows changes only on purpose."""

import ast
import difflib

import pytest

from tests.replay.fingerprint import STORED, commanding_functions, current, functions, skeleton

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
    if self.ready:
        await workflow.sleep(60, summary="a pause for people")
    self.shout()

def shout(self):
    workflow.upsert_search_attributes([])

def quiet(self):
    return 1
"""


def sequence(source: str) -> list[str]:
    tree = ast.parse(source)
    commanding = commanding_functions(tree)
    return [
        line for f in functions(tree) if f.name in commanding for line in [f.name, *skeleton(f.body, commanding, " ")]
    ]


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
    assert sequence(SHELL.replace(was, becomes)) == sequence(SHELL)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("workflow.sleep(60", "workflow.sleep(61"),
        ("if self.ready", "if not self.ready"),
        ("await workflow.sleep", "await workflow.wait_condition"),
        ("    self.shout()\n", ""),
        ("workflow.upsert_search_attributes([])", "workflow.upsert_search_attributes([])\n    workflow.sleep(1)"),
    ],
)
def test_a_change_of_commands_is_seen(was: str, becomes: str) -> None:
    assert sequence(SHELL.replace(was, becomes)) != sequence(SHELL)
