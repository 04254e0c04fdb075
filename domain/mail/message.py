"""A mail as the desk reads it. Any bytes are one: what cannot be read is left out, and what was sent is kept beside."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from domain.mail.forwards import forwarded_from
from domain.mail.headers import Headers, identifiers
from domain.mail.html import LONGEST, html_text
from domain.mail.machines import automatic, machine
from domain.mail.mime import Part, read_parts
from domain.mail.people import Person, people
from domain.mail.quotes import fold
from domain.mail.reports import Report, read_report, reports

MOST_REFERENCES: Final = 100
MOST_TEXT_BYTES: Final = 2 * 1024 * 1024
"""What is read of one text; the whole of it is kept as a file when it is longer than a ticket can hold."""

LONGEST_SUBJECT: Final = 300


@dataclass(frozen=True)
class InboundMail:
    """What a mail says, who wrote it to whom, and what it answers.

    `text` is its own part of the conversation, `quoted` what it repeats; `html` is as it came, and must never be shown like
    that. `machine` says why it is taken for a machine's; `bounce` is what a server reports of a mail that did not arrive.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    sender: Person | None
    senders: tuple[Person, ...]
    reply_to: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    subject: str
    date: datetime | None
    text: str
    quoted: str | None
    html: str | None
    language: str | None
    attachments: tuple[Part, ...]
    texts: tuple[Part, ...]
    dropped: int
    machine: str | None
    origin: str | None
    bounce: Report | None
    forwarded: Person | None
    authentication: tuple[bytes, ...]
    return_path: str | None

    @property
    def answers(self) -> tuple[str, ...]:
        """The ids of the mails that it may answer, the newest first: what it replies to, then the conversation backwards."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


@dataclass
class Content:
    """What the parts of a mail are: texts, pages, and files."""

    plain: list[Part] = field(default_factory=list)
    pages: list[Part] = field(default_factory=list)
    shown: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def read_mail(raw: bytes, sender: str | None = None) -> InboundMail:
    """Read a mail; `sender` is the envelope's, where there is one ("" for mail that must not be answered)."""
    root, dropped = read_parts(raw)
    headers = root.headers
    hint = next((each.parameters.get("charset") for each in walk(root) if each.text), None)
    senders = people(headers.every("from"), hint) or people(headers.every("sender"), hint)
    subject = headers.line("subject", hint)[:LONGEST_SUBJECT].strip()
    content = Content()
    sort_out(root, content)
    said = "\n\n".join(filter(None, texts_of(content.shown, raw)))
    text, quoted = fold(said, subject)
    first = senders[0] if senders else None
    return_path = sender if sender is not None else envelope_sender(headers)
    why = automatic(headers)
    letters = [each for each in content.files if each.content_type == "message/rfc822"]
    return InboundMail(
        message_id=next(identifiers([headers.raw("message-id")]), None),
        in_reply_to=tuple(identifiers(headers.every("in-reply-to")))[:MOST_REFERENCES],
        references=tuple(identifiers(headers.every("references")))[-MOST_REFERENCES:],
        sender=first,
        senders=senders,
        reply_to=people(headers.every("reply-to"), hint),
        to=people(headers.every("to"), hint),
        cc=people(headers.every("cc"), hint),
        subject=subject,
        date=read_date(headers),
        text=text,
        quoted=quoted,
        html="\n".join(part.said(raw, MOST_TEXT_BYTES) for part in content.pages) or None,
        language=read_language(headers),
        attachments=tuple(content.files),
        texts=tuple(content.shown),
        dropped=dropped,
        machine=why,
        origin=headers.word("x-summit") if headers.has("x-summit") else None,
        bounce=read_report(root, raw) if bounced(root, first, return_path, why) else None,
        forwarded=forwarded_from(text, subject, letters, raw),
        authentication=tuple(headers.every("authentication-results")),
        return_path=return_path,
    )


def read_date(headers: Headers) -> datetime | None:
    """When the sender says that it was written, in UTC."""
    try:
        found = parsedate_to_datetime(headers.line("date")[:200])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def read_language(headers: Headers) -> str | None:
    """The language that the sender's program names, such as `de`."""
    tag = headers.line("content-language").split(",")[0].strip().partition("-")[0].lower()
    return tag if tag.isascii() and tag.isalpha() and 2 <= len(tag) <= 3 else None


def envelope_sender(headers: Headers) -> str | None:
    """The envelope's sender, as the server that took the mail in wrote it down."""
    if not headers.has("return-path"):
        return None
    return next((each.address for each in people([headers.raw("return-path")])), "")


def bounced(root: Part, sender: Person | None, return_path: str | None, why: str | None) -> bool:
    """Whether a mail server reports on one of our mails: by its form, by who writes, or because it must not be answered."""
    if reports(root) or (sender is not None and machine(sender.address)):
        return True
    # Holiday notices have no sender to return to either; those say what they are.
    return return_path == "" and why is None


def sort_out(part: Part, content: Content) -> None:
    """What each part is: of alternatives the one that is shown is the plainest that says something."""
    kind = part.content_type
    if not part.parts:
        if kind.startswith("multipart/") or not part.text:
            content.files.append(part)
        else:
            (content.pages if kind == "text/html" else content.plain).append(part)
            content.shown.append(part)
    elif kind == "multipart/alternative":
        choose(part, content)
    elif kind in ("multipart/related", "multipart/signed", "multipart/report"):
        main, *others = part.parts
        sort_out(main, content)
        for each in others:
            content.files.extend(walk_files(each))
    else:
        for each in part.parts:
            sort_out(each, content)


def choose(part: Part, content: Content) -> None:
    """Alternatives: the plain text is shown, or the page where there is none; files in any of them are kept."""
    found = Content()
    for each in part.parts:
        sort_out(each, found)
    content.plain.extend(found.plain)
    content.pages.extend(found.pages)
    content.files.extend(found.files)
    solid = [each for each in found.plain if each.end > each.start]
    content.shown.extend(solid[:1] or found.pages[-1:] or found.plain[:1])


def walk_files(part: Part) -> Iterator[Part]:
    """The files in a part; a text among them is one too."""
    return (each for each in walk(part) if not each.parts)


def walk(part: Part) -> Iterator[Part]:
    """A part and all in it, in their order."""
    yield part
    for each in part.parts:
        yield from walk(each)


def texts_of(parts: Iterable[Part], raw: bytes) -> Iterator[str]:
    """The text of each part, as its reader sees it; of all pages together so much is read as of one."""
    room = LONGEST
    for part in parts:
        said = part.said(raw, MOST_TEXT_BYTES)
        if part.content_type == "text/html":
            yield html_text(said[:room])
            room = max(0, room - len(said))
        else:
            yield text_of(part, said)


def text_of(part: Part, said: str) -> str:
    """What a plain part says, without what is only for sending."""
    said = printable(said.replace("\r\n", "\n").replace("\r", "\n"))
    if part.parameters.get("format", "").lower() == "flowed":
        said = unflowed(said, deletes=part.parameters.get("delsp", "").lower() == "yes")
    return said.strip("\n")


def printable(text: str) -> str:
    """`text` without control characters other than tabs and the ends of lines."""
    return CONTROLS.sub("", text)


CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")


def unflowed(text: str, *, deletes: bool) -> str:
    """Paragraphs whose lines were only wrapped for sending (RFC 3676) as one line each."""
    lines: list[list[str]] = []
    flowing: int | None = None
    for line in text.split("\n"):
        body = line.lstrip(">")
        depth = len(line) - len(body)
        body = body.removeprefix(" ")
        soft = body.endswith(" ") and body != "-- "
        kept = body[:-1] if soft and deletes else body
        if flowing == depth:
            lines[-1].append(kept)
        else:
            lines.append([f"{'>' * depth} " if depth else "", kept])
        flowing = depth if soft else None
    return "\n".join("".join(pieces) for pieces in lines)
