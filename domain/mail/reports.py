"""What a mail server says of a mail that it could not deliver (RFC 3464): to whom, whether for good, and which mail it was."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from domain.mail.headers import LINE, Headers, identifiers, one_line, plain, read_headers
from domain.mail.mime import Part
from domain.mail.people import plain_address

MOST_RECIPIENTS: Final = 100
MOST_GROUPS: Final = 1_000
LONGEST_REPORT: Final = 256 * 1024

STATUS: Final = re.compile(r"\b([245])\.[0-9]{1,3}\.[0-9]{1,3}\b")
REPLY: Final = re.compile(r"\b([45])[0-9]{2}\b")
NAMED: Final = re.compile(rb"^[ \t>]*message-id:[ \t]*(<[^<>\s]{1,998}>)", re.IGNORECASE | re.MULTILINE)

RETURNED: Final = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
DELIVERY: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})

GONE: Final = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""Statuses of RFC 3463 (5.1.10: RFC 7505) that say of the address itself that it will never be there: no such mailbox or domain, no
address at all, moved without another, takes no mail, disabled. A full mailbox (5.2.2), a mail that is too large (5.3.4) or not
wanted (5.7.1), and a way that is not found (5.4.x) say nothing about it."""


@dataclass(frozen=True)
class Delivery:
    """What became of the mail for one recipient."""

    recipient: str
    action: str
    status: str

    @property
    def failed(self) -> bool:
        """Whether this mail was given up."""
        return self.action == "failed"

    @property
    def hard(self) -> bool:
        """Whether no mail will ever get there, this one or another."""
        return self.failed and self.status in GONE


@dataclass(frozen=True)
class Report:
    """A report: what became of a mail, and the ids of that mail as far as the report quotes it."""

    deliveries: tuple[Delivery, ...] = ()
    message_ids: tuple[str, ...] = ()


def reports(part: Part) -> bool:
    """Whether a mail is such a report, by its form."""
    kind = part.parameters.get("report-type", "").lower()
    if part.content_type == "multipart/report":
        return kind in ("", "delivery-status", "global-delivery-status") or any(
            each.content_type in DELIVERY for each in part.parts
        )
    return any(each.content_type in DELIVERY for each in part.parts)


def read_report(part: Part, raw: bytes) -> Report:
    """What a report says, as much of it as there is."""
    deliveries: list[Delivery] = []
    ids: list[str] = []
    for each in leaves(part):
        if each.content_type in DELIVERY:
            groups = islice(read_groups(each.content(raw)[:LONGEST_REPORT]), MOST_GROUPS)
            found = filter(None, map(read_delivery, groups))
            deliveries.extend(islice(found, MOST_RECIPIENTS - len(deliveries)))
        elif each.content_type in RETURNED:
            content = each.content(raw)[:LONGEST_REPORT]
            headers, _ = read_headers(content, 0, len(content))
            ids.extend(identifiers([headers.raw("message-id")]))
    if not ids:
        # Old servers write what they return below a text of their own.
        ids = list(identifiers(NAMED.findall(raw, part.start, min(part.end, part.start + LONGEST_REPORT))))
    return Report(tuple(deliveries), tuple(dict.fromkeys(ids))[:MOST_RECIPIENTS])


def read_groups(content: bytes) -> Iterator[Headers]:
    """The groups of fields: one of the mail, and one a recipient."""
    place = 0
    while place < len(content):
        headers, after = read_headers(content, place, len(content))
        yield headers
        # Of a line that is no header nothing was read: it is passed over as a whole, or a long one is read again and again.
        skipped = LINE.match(content, place) if after == place else None
        place = skipped.end() if skipped else after


def read_delivery(headers: Headers) -> Delivery | None:
    """What one group says; None for one that is of no recipient."""
    name = "final-recipient" if headers.has("final-recipient") else "original-recipient"
    recipient = plain_address(plain(headers.raw(name)).rpartition(";")[2])
    if recipient is None:
        return None
    diagnosis = one_line(plain(headers.raw("diagnostic-code")))
    status = STATUS.search(plain(headers.raw("status"))) or STATUS.search(diagnosis)
    if status is not None:
        shown = status[0]
    else:
        reply = REPLY.search(diagnosis)
        shown = f"{reply[1]}.0.0" if reply is not None else ""
    return Delivery(recipient, headers.word("action"), shown)


def leaves(part: Part) -> Iterator[Part]:
    """All parts that hold no others."""
    if not part.parts:
        yield part
    for each in part.parts:
        yield from leaves(each)
