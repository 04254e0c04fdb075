"""Keyset paging: cursors that nobody can forge, and pages that say whether there is more."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from api.schemas.common import View
from domain.process import Invalid

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")

MAC_BYTES: Final = 12
NEWEST_FIRST: Final = "-createdAt"

FURTHER: Final = "summit.page"
"""Marks a scope that we made ourselves, for a further page of an export: it counts against no rate limit."""


class BadCursor(Invalid):
    """The cursor is not one of ours, or belongs to another list or sort order."""

    def __init__(self) -> None:
        super().__init__(
            "The cursor cannot be used here.",
            [{"parameter": "cursor", "code": "cursor", "detail": "is not a cursor that this list gave out"}],
        )


class PageInfo(View):
    """Where the next page begins."""

    next_cursor: str | None
    has_more: bool


class Page(View, Generic[T]):
    """One page of a list."""

    data: list[T]
    page: PageInfo


@dataclass(frozen=True)
class Cursors:
    """Signs and reads cursors; a cursor holds for the list and the sort that it was made under."""

    key: bytes
    path: str = ""

    def of(self, path: str) -> "Cursors":
        """The cursors of the list at `path`."""
        return Cursors(self.key, path)

    def write(self, sort: str, values: Sequence[str | int | None]) -> str:
        """A URL-safe cursor for the row whose sort keys are `values`."""
        body = json.dumps(values, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(sort, body) + body).rstrip(b"=").decode()

    def read(self, sort: str, cursor: str) -> list[Any]:
        """The values in a cursor. Raises BadCursor."""
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise BadCursor from None
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(sort, body)):
            raise BadCursor
        values: list[Any] = json.loads(body)
        return values

    def _mac(self, sort: str, body: bytes) -> bytes:
        return hmac.digest(self.key, f"{self.path}\0{sort}\0".encode() + body, hashlib.sha256)[:MAC_BYTES]


@dataclass(frozen=True)
class PageRequest:
    """How much of a list is asked for, and from where."""

    limit: int
    cursor: str | None
    cursors: Cursors

    @property
    def count(self) -> int:
        """How many rows to fetch: one more than the page, to learn whether there is more."""
        return self.limit + 1

    def after(self, sort: str) -> list[Any] | None:
        """The sort keys of the last row seen. Raises BadCursor."""
        return None if self.cursor is None else self.cursors.read(sort, self.cursor)

    def after_newest(self) -> tuple[datetime, UUID] | None:
        """The same for a list that is sorted by creation, the newest first."""
        values = self.after(NEWEST_FIRST)
        return None if values is None else (datetime.fromisoformat(values[0]), UUID(values[1]))

    def page(
        self,
        rows: Sequence[R],
        view: Callable[[R], T],
        sort: str = NEWEST_FIRST,
        keys: Callable[[R], Sequence[str | int | None]] | None = None,
    ) -> Page[T]:
        """The page of `rows`, which were fetched by `count`; `keys` gives a row's sort keys."""
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        cursor = self.cursors.write(sort, (keys or newest_keys)(shown[-1])) if more else None
        return Page(data=[view(row) for row in shown], page=PageInfo(next_cursor=cursor, has_more=more))


def newest_keys(row: Any) -> list[str | int | None]:
    """The sort keys of a list by creation."""
    return [row["created_at"].isoformat(), str(row["id"])]
