"""What a decision has read is asked for by statement, in whatever number and order the reads were made."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from db.decisions import OpenDecision
from db.statements import Statement
from domain.protocol import Snapshot

FIRST, SECOND, OTHER = (Statement(text(f"select {n} as n")) for n in range(3))


def opened(**rows: Any) -> OpenDecision:
    nothing: Any = None
    now = datetime.now(UTC)
    return OpenDecision(nothing, nothing, nothing, Snapshot(), now, now, fresh=False, confirmed=0, **rows)


def test_a_row_is_found_by_its_statement() -> None:
    decision = opened(rows={OTHER: {"n": 2}, SECOND: {"n": 1}})
    assert decision.row(SECOND) == decision.row(FIRST, SECOND) == {"n": 1}
    assert decision.row(OTHER) == {"n": 2}


def test_what_was_not_read_or_found_nothing_is_none() -> None:
    assert opened().row(FIRST) is None
    assert opened(rows={FIRST: None}).row(FIRST, SECOND) is None
