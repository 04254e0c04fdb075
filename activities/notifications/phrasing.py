"""How each tenant words its mails to customers: kept in this process until the tenant's revision moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.mail_templates import WORDINGS
from db.outbox import Pool, as_tenant, rows
from domain.notifications.wording import Wording
from domain.notifications.wordings import DEFAULTS, merged

MOST_TENANTS: Final = 1_000

UTC_NAME: Final = "UTC"


@dataclass
class Wordings:
    """The wordings of the tenants whose mail goes through here."""

    pool: Pool
    known: dict[UUID, tuple[int, Mapping[str, Wording]]] = field(default_factory=dict)

    async def of(self, tenant_id: UUID, revision: int) -> Mapping[str, Wording]:
        """A tenant's wordings at a revision, read once; what it does not word itself is ours."""
        if revision == 0:  # most have never changed any
            return DEFAULTS
        found = self.known.get(tenant_id)
        if found is None or found[0] != revision:
            async with as_tenant(self.pool, tenant_id) as connection:
                own = await rows(connection, WORDINGS)
            if len(self.known) >= MOST_TENANTS:
                self.known.clear()
            found = self.known[tenant_id] = revision, merged(own)
        return found[1]


def values_of(
    found: Mapping[str, Any], payload: Mapping[str, Any], *, link: str | None, comments_call: str | None
) -> dict[str, str]:
    """What the wordings can say, by their names; nothing stands for what this mail does not know."""
    zone = zone_of(found["time_zone"], payload.get("timeZone"))
    made = {
        "number": numbered(found["number"]),
        "subject": found["subject"],
        "desk": found["tenant"],
        "mailbox": found["mailbox"],
        "link": link,
        "commentsCall": None if link or found["mailbox"] else comments_call,
        "comment": found["comment"],
        "author": found["author"],
        "targetNumber": numbered(payload.get("targetNumber")),
        "opensAt": told(payload.get("opensAt"), zone),
        "respondBy": told(payload.get("respondBy"), zone),
    }
    return {name: value for name, value in made.items() if value}


def numbered(number: Any) -> str | None:
    """A ticket's number as people know it."""
    return f"SUP-{number}" if number else None


def zone_of(account: str | None, calendar: Any) -> ZoneInfo:
    """The customer's zone, which is the account's unless nobody has set it; else that of the calendar by which the desk opens."""
    for name in (account if account != UTC_NAME else None, calendar, UTC_NAME):
        if isinstance(name, str):
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                continue
    return ZoneInfo(UTC_NAME)


def told(instant: Any, zone: ZoneInfo) -> str | None:
    """An instant as people of a zone read it, with the zone beside it."""
    if not isinstance(instant, str):
        return None
    at = datetime.fromisoformat(instant).astimezone(zone)
    return f"{at:%A} {at.day} {at:%B %Y}, {at:%H:%M} ({zone.key})"
