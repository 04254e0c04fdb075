"""What the routes of records with versions share."""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.paging import Page, PageRequest
from db.versions import Row, Versioned

T = TypeVar("T", bound=BaseModel)

NEWEST_VERSION_FIRST: Final = "-version"

InForce = Annotated[bool, Query(description="Those in force; false for those that have ended.")]


async def versions_page(
    records: Versioned, session: AsyncConnection, record_id: UUID, page: PageRequest, view: Callable[[Row], T]
) -> Page[T]:
    """A page of one record's versions, the newest first."""
    seen = page.after(NEWEST_VERSION_FIRST)
    rows = await records.versions(session, record_id, count=page.count, below=seen[0] if seen else None)
    return page.page(rows, view, NEWEST_VERSION_FIRST, lambda row: [row["version"]])
