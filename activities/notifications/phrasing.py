"""How each tenant words its mails to customers: kept in this process until the tenant's revision moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.mail_templates import WORDINGS
from db.outbox import Pool, as_tenant, rows
from domain.mail.threads import topic
from domain.notifications.headlines import LONGEST
from domain.notifications.wording import Block, Wording, fill, fill_line
from domain.notifications.wordings import FOOTER, KINDS
from notify.channel import Undeliverable
from notify.templates import Rendered, letter

MOST_TENANTS: Final = 1_000

UNREAD: Final = Block("say", "Answers to this mail are not read.")
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


DEFAULTS: Final[Mapping[str, Wording]] = {name: kind.default for name, kind in KINDS.items()}


def merged(own: Sequence[Mapping[str, Any]]) -> Mapping[str, Wording]:
    """Ours, with what a tenant words itself in their place; wordings of another release are nothing to us."""
    changed = {
        row["name"]: Wording(
            DEFAULTS[row["name"]].subject if row["subject"] is None else row["subject"],
            DEFAULTS[row["name"]].text if row["text"] is None else row["text"],
        )
        for row in own
        if row["name"] in DEFAULTS
    }
    return {**DEFAULTS, **changed}


def phrased(
    name: str, wordings: Mapping[str, Wording], values: Mapping[str, str], subject: str, unattached: Sequence[Block]
) -> Rendered:
    """The mail of a wording; `subject` stands for {{ subject }} in its subject. Raises Undeliverable where it would say nothing."""
    wording = wordings[name]
    missing = [each for each in ("number", "subject", *KINDS[name].needed) if not values.get(each)]
    if missing:
        raise Undeliverable(f"The template {name!r} cannot be filled ({', '.join(missing)}).")
    blocks = [*fill(wording.text, values), *unattached, *([] if values.get("mailbox") else [UNREAD])]
    footer = "\n".join(block.text for block in fill(wordings[FOOTER].text, values))
    return letter(subject, blocks, footer or values["desk"])


def subject_line(wording: Wording, values: Mapping[str, str], theirs: str | None) -> str:
    """`Re: [SUP-7] Their subject`: the same in every mail about a ticket, but for what programs put before it, and `Re:` only where
    we answer. Programs that go by the subject drop both and find the conversation of the customer's own mail."""
    base = topic(theirs or "") or values.get("subject", "")
    line = " ".join(fill_line(wording.subject, {**values, "subject": base}).split())
    shown = f"{'Re: ' if theirs is not None else ''}[{values.get('number')}] {line}"
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


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
