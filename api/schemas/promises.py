"""The promise ledger on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.common import Body, Instant, View, Word
from domain.process import DeadlineState


class DeadlineView(View):
    """One promise: what is due when, who owes it, and how it ended if it did."""

    id: UUID
    process: str = Field(examples=["ticket"])
    entity_id: UUID
    kind: str = Field(examples=["CUSTOMER_REMINDER"])
    cycle: int
    due_at: datetime
    state: DeadlineState
    settled_at: datetime | None
    owner_id: UUID | None
    link: str = Field(examples=["/api/tickets/0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11"])


class DeadlineQuery(Body):
    """Filters and page of the ledger; the period is half open, and a repeated filter means any of its values."""

    due_from: Annotated[Instant | None, Field(alias="from")] = None
    due_to: Annotated[Instant | None, Field(alias="to")] = None
    owner: UUID | None = None
    kind: list[Word] = []
    state: list[DeadlineState] = []
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=500)] | None = None


class FeedView(View):
    """Where a calendar can subscribe to what its reader owes. Whoever has the address can read it."""

    url: str = Field(examples=["/api/deadlines.ics?token=…"])
