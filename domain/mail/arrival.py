"""What tells one mail from another before anybody reads it: cheap, because it is done while the sender's server waits."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.mail.headers import Headers, identifiers, read_headers
from domain.mail.message import LONGEST_SUBJECT
from domain.mail.people import people

IDENTIFYING: Final = ("from", "to", "subject", "date")
"""Headers that no server on the way changes."""


@dataclass(frozen=True)
class Arrival:
    """A mail as it is filed: `key` is the same for the same mail, `content_hash` for the same content."""

    key: str
    content_hash: str
    message_id: str | None
    author: str
    subject: str


def arrival(raw: bytes, at: datetime) -> Arrival:
    """What identifies a mail: its Message-ID, else its content; without a date of its own, the day on which it came is part of it."""
    headers, body = read_headers(raw, 0, len(raw))
    message_id = next(identifiers([headers.raw("message-id")]), None)
    content = digest(headers, raw, body)
    if message_id is not None:
        key = f"id:{hashlib.sha256(message_id.encode()).hexdigest()}"
    else:
        key = f"content:{content}" + ("" if headers.has("date") else f"/{at:%Y-%m-%d}")
    senders = people(headers.every("from")) or people(headers.every("sender"))
    return Arrival(
        key=key,
        content_hash=content,
        message_id=message_id,
        author=senders[0].address if senders else "",
        subject=headers.line("subject")[:LONGEST_SUBJECT],
    )


def digest(headers: Headers, raw: bytes, body: int) -> str:
    """The hash of what somebody wrote, without what servers add on the way."""
    found = hashlib.sha256()
    for name in IDENTIFYING:
        for value in headers.every(name):
            found.update(b"%s:%s\n" % (name.encode(), b" ".join(value.split())))
    found.update(raw[body:].rstrip(b"\r\n"))
    return found.hexdigest()
