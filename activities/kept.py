"""Settings of tenants as this process last read them: a decision reads one again only when its revision has moved."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")

MOST_TENANTS: Final = 1_000


class Forgotten(ConnectionError):
    """What a decision counted on has made room for others meanwhile; the next attempt reads it."""


class Kept(Generic[T]):
    """What the tenants seen last have, read from the JSON in which Postgres writes it."""

    def __init__(self, read: Callable[[str], T]) -> None:
        self._read = read
        self._kept: OrderedDict[UUID, tuple[int, T]] = OrderedDict()

    def known(self, tenant_id: UUID) -> int | None:
        """The revision that need not be read again."""
        kept = self._kept.get(tenant_id)
        return kept[0] if kept else None

    def at(self, tenant_id: UUID, revision: int, written: str | None) -> T:
        """What the tenant has at `revision`; `written` where it was not known. Raises Forgotten."""
        if written is not None:
            self._kept[tenant_id] = revision, self._read(written)
        kept = self._kept.get(tenant_id)
        if kept is None or kept[0] != revision:
            raise Forgotten
        self._kept.move_to_end(tenant_id)
        while len(self._kept) > MOST_TENANTS:
            self._kept.popitem(last=False)
        return kept[1]
