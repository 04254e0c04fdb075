"""Links of surveys can be made by the tenant's key only, and tickets be rated only where a resolution stands."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.process import NotFound
from domain.ratings import NotRateable, read_survey, resolution_of, survey_token

KEY = b"k" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.uuids(), st.uuids(), st.integers(1, 2**31 - 1), st.binary(min_size=16, max_size=32))
def test_a_link_says_what_it_is_about_and_holds_under_its_key_only(
    tenant: UUID, ticket: UUID, resolution: int, key: bytes
) -> None:
    survey = read_survey(survey_token(key, tenant, ticket, resolution))
    assert (survey.tenant_id, survey.ticket_id, survey.resolution) == (tenant, ticket, resolution)
    assert survey.genuine(key)
    assert not survey.genuine(key + b"x")
    assert not survey._replace(resolution=resolution - 1).genuine(key)
    assert not survey._replace(tenant_id=ticket, ticket_id=tenant).genuine(key) or tenant == ticket


@given(st.text(max_size=100))
def test_whatever_else_is_sent_is_no_link(text: str) -> None:
    with pytest.raises(NotFound):
        read_survey(text)


def row(**fields: Any) -> dict[str, Any]:
    return {"status": "RESOLVED", "resolved_at": NOW, "merged_into": None, "reopens": 0, **fields}


@pytest.mark.parametrize(("ticket", "number"), [(row(), 1), (row(reopens=2), 3), (row(status="CLOSED"), 1)], ids=str)
def test_the_resolution_that_stands_is_the_one_after_the_last_reopening(ticket: dict[str, Any], number: int) -> None:
    assert resolution_of(ticket) == number


@pytest.mark.parametrize(
    "ticket",
    [
        row(status="OPEN", resolved_at=None, reopens=1),
        row(status="CANCELLED"),
        row(status="CLOSED", resolved_at=None),
        row(status="CLOSED", merged_into=UUID(int=1)),
        row(status="OPEN"),
    ],
    ids=str,
)
def test_where_none_stands_there_is_nothing_to_rate(ticket: dict[str, Any]) -> None:
    with pytest.raises(NotRateable):
        resolution_of(ticket)
