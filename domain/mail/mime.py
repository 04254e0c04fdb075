"""The parts of a mail: where each begins and ends, and what it holds. It never fails, and no nesting costs more than its limit."""

import re
from binascii import Error, a2b_qp, a2b_uu
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from domain.files import clean_name
from domain.mail.headers import (
    LONGEST_TEXT,
    Headers,
    decode_text,
    decode_words,
    one_line,
    read_headers,
    unbase64,
)
from domain.mail.parameters import parameters

DEEPEST: Final = 20
"""Parts within parts; what lies deeper is one file."""

MOST_PARTS: Final = 1_000
"""What comes after so many parts is left out; the mail itself is kept."""

TYPE: Final = re.compile(r"[!#$&^_.+a-z0-9-]{1,80}/[!#$&^_.+a-z0-9-]{1,80}")
REST: Final = re.compile(rb"(--)?[ \t]*(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True)
class Part:
    """One part: its headers, its kind, and the bytes `start` to `end` of the mail that are its body."""

    number: int
    headers: Headers
    content_type: str
    parameters: dict[str, str]
    disposition: str
    named: str
    start: int
    end: int
    parts: "tuple[Part, ...]" = ()

    @property
    def text(self) -> bool:
        """Whether it is part of what the mail says, rather than a file."""
        plain = self.content_type in ("text/plain", "text/html")
        return plain and self.disposition != "attachment" and (not self.named or self.number == 0)

    @property
    def content_id(self) -> str | None:
        """By which the HTML of the mail names it."""
        found = one_line(decode_words(self.headers.raw("content-id")[:1000])).strip("<> ")
        return found[:250] or None

    def content(self, raw: bytes) -> bytes:
        """Its bytes without their transfer encoding."""
        return decoded(raw[self.start : self.end], self.headers.word("content-transfer-encoding"))

    def said(self, raw: bytes, most: int) -> str:
        """Its text, of the first `most` bytes."""
        body = raw[self.start : min(self.end, self.start + 2 * most)]
        body = decoded(body, self.headers.word("content-transfer-encoding"))[:most]
        return decode_text(body, self.parameters.get("charset"))


@dataclass
class Reading:
    """How many parts have been read so far, and how many were too many."""

    raw: bytes
    count: int = 0
    dropped: int = 0


def read_parts(raw: bytes) -> tuple[Part, int]:
    """The mail as a part with parts in it, and how many had to be left out."""
    reading = Reading(raw)
    part = read_part(reading, 0, len(raw), 0, "text/plain")
    return part, reading.dropped


def read_part(reading: Reading, start: int, end: int, depth: int, default: str) -> Part:
    """The part between two places."""
    number = reading.count
    reading.count += 1
    headers, body = read_headers(reading.raw, start, end)
    content_type, given = parameters(headers.raw("content-type"))
    if not TYPE.fullmatch(content_type):
        content_type = default
    disposition, more = parameters(headers.raw("content-disposition"))
    named = decode_words((more.get("filename") or given.get("name") or "")[:LONGEST_TEXT])
    inner: tuple[Part, ...] = ()
    boundary = given.get("boundary", "")
    if content_type.startswith("multipart/") and boundary and depth < DEEPEST:
        default = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
        inner = tuple(read_inner(reading, body, end, boundary, depth, default))
    if content_type.startswith("multipart/") and not inner and depth < DEEPEST:
        content_type = "text/plain"  # it names no boundary that there is: what is there is text
    named = clean_name(named) if named.strip() else ""
    return Part(number, headers, content_type, given, disposition, named, body, end, inner)


def read_inner(reading: Reading, start: int, end: int, boundary: str, depth: int, default: str) -> Iterator[Part]:
    """The parts that a boundary divides; one that is not closed ends with its surroundings."""
    begin: int | None = None
    for place, after, last in dividers(reading.raw, start, end, b"--" + boundary.encode("utf-8", "surrogateescape")):
        if begin is not None:
            yield from counted(reading, begin, max(begin, line_begin(reading.raw, place)), depth, default)
        if last:
            return
        begin = after
    if begin is not None:
        yield from counted(reading, begin, end, depth, default)


def dividers(raw: bytes, start: int, end: int, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Each line that is a boundary: where it begins, where the next line does, and whether it is the last one."""
    place = raw.find(mark, start, end)
    while place >= 0:
        after = place + len(mark)
        if place == start or raw[place - 1] in b"\r\n":
            rest = REST.match(raw, after, end)
            if rest is not None:
                yield place, rest.end(), rest[1] is not None
        place = raw.find(mark, after, end)


def line_begin(raw: bytes, place: int) -> int:
    """Where the line before one that begins at `place` has its end: that belongs to the boundary."""
    if raw[place - 2 : place] == b"\r\n":
        return place - 2
    return place - 1


def counted(reading: Reading, start: int, end: int, depth: int, default: str) -> Iterator[Part]:
    """A part, unless there are too many."""
    if reading.count < MOST_PARTS:
        yield read_part(reading, start, end, depth + 1, default)
    else:
        reading.dropped += 1


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its transfer encoding; what is not encoded as it claims stays as it came, or as far as it goes."""
    if encoding == "base64":
        return unbase64(body)
    if encoding == "quoted-printable":
        return a2b_qp(body)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return unuuencode(body)
    return body


def unuuencode(body: bytes) -> bytes:
    """What is between `begin` and `end`; as it came where there is no such thing."""
    found = re.search(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", body, re.MULTILINE)
    if found is None:
        return body
    content = bytearray()
    for line in body[found.end() :].splitlines():
        if line.strip() == b"end":
            break
        try:
            content += a2b_uu(line)
        except Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                content += a2b_uu(line[:length])
            except Error:
                continue
    return bytes(content)
