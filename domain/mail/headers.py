"""The headers of a mail as people mean them, whatever their sender's program made of them: nothing here ever fails."""

import hashlib
import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from domain.mail.charsets import known_charset

MOST_HEADER_LINES: Final = 2_000
MOST_HEADER_BYTES: Final = 256 * 1024
"""What is read of the headers of one part; what comes after is taken for its body."""

LONGEST_VALUE: Final = 64 * 1024
LONGEST_TEXT: Final = 8 * 1024
"""What is decoded of one header, and of one phrase or parameter."""

LONGEST_ID: Final = 900
"""Bytes of a message id; Postgres refuses to index a few thousand."""

FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*")
LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
WORD: Final = re.compile(r"=\?([^\s?*=]{1,40})(?:\*[^\s?]{0,40})?\?([bBqQ])\?(.*?)\?=", re.DOTALL)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Headers:
    """Header fields in their order: names in lower case, values as bytes with their folds taken out."""

    fields: tuple[tuple[str, bytes], ...]

    def raw(self, name: str) -> bytes:
        """The first value of a field; nothing where there is none."""
        return next((value for each, value in self.fields if each == name), b"")

    def every(self, name: str) -> list[bytes]:
        """All values of a field."""
        return [value for each, value in self.fields if each == name]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return any(each == name for each, _ in self.fields)

    def line(self, name: str, hint: str | None = None) -> str:
        """A field as one line of text; `hint` is the charset that the sender uses elsewhere."""
        return one_line(decode_words(self.raw(name)[:LONGEST_TEXT], hint))

    def word(self, name: str) -> str:
        """The first word of a field in lower case, without its parameters and comments."""
        found = re.match(r"[^\s;(]*", one_line(plain(self.raw(name)[:LONGEST_TEXT])))
        return found[0].lower() if found else ""


def read_headers(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The header fields from `start` on, and where the body begins: behind the empty line, or at what is no header."""
    fields: list[tuple[str, bytearray]] = []
    place, limit = start, min(end, start + MOST_HEADER_BYTES)
    while place < limit and len(fields) < MOST_HEADER_LINES:
        line = LINE.match(raw, place, end)
        if line is None or line.end() == place:
            break
        content = line[0].rstrip(b"\r\n")
        if not content:
            place = line.end()
            break
        field = FIELD.match(content)
        if fields and content[:1] in b" \t":
            value = fields[-1][1]
            if len(value) < LONGEST_VALUE:
                value += b" " + content.lstrip()[:LONGEST_VALUE]
        elif field is not None:
            name = field[1].decode("ascii").lower()
            fields.append((name, bytearray(content[field.end() : field.end() + LONGEST_VALUE])))
        elif not (place == start and content.startswith((b"From ", b">From "))):
            break
        place = line.end()
    return Headers(tuple((name, bytes(value)) for name, value in fields)), place


def plain(raw: bytes, hint: str | None = None) -> str:
    """Bytes as text: UTF-8 where they are that, else the hinted charset, else the most common one of old programs."""
    if raw.isascii():
        return raw.decode("ascii")
    for charset in ("utf-8", hint):
        if charset:
            try:
                return raw.decode(known_charset(charset) or "ascii")
            except UnicodeError:
                continue
    return raw.decode("cp1252", "replace")


def decode_text(raw: bytes, charset: str | None) -> str:
    """A body as text. A charset that is unknown, or plainly not the one used, is replaced by a guess."""
    name = known_charset(charset) if charset else None
    if name in (None, "ascii"):
        return scrub(plain(raw))
    for each in (name, "utf-8"):
        try:
            return scrub(raw.decode(str(each)))
        except UnicodeError:
            continue
    text = scrub(raw.decode(str(name), "replace"))
    # A text of which no foreign letter could be read is in another charset; one with a few bad ones is only damaged.
    readable = any(not each.isascii() and each != "\ufffd" for each in text)
    return text if readable else scrub(plain(raw))


def scrub(text: str) -> str:
    """`text` without what Postgres or UTF-8 cannot hold."""
    text = text.removeprefix("\ufeff").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """`text` in one line, without control characters: a line break in it must never become another header."""
    return " ".join(scrub(CONTROL.sub(" ", text)).split())


def decode_words(raw: bytes | str, hint: str | None = None) -> str:
    """A header's text with its encoded words (RFC 2047) decoded; what is broken in it stays as it came."""
    text = plain(raw, hint) if isinstance(raw, bytes) else raw
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run, charset, place = bytearray(), None, 0
    # No further than the last end of a word, or each beginning of one would be looked at up to the end of the text.
    for found in WORD.finditer(text, 0, text.rfind("?=") + 2):
        content, named = decode_word(found[2], found[3]), known_charset(found[1])
        if content is None or named is None:
            continue
        between = text[place : found.start()]
        follows = charset is not None and not between.strip()
        # Words of one charset are put together first: some programs cut a character in two.
        if charset is not None and not (follows and named == charset):
            pieces.append(decode_text(bytes(run), charset))
            run.clear()
        if not follows:
            pieces.append(between)
        run += content
        charset, place = named, found.end()
    if charset is not None:
        pieces.append(decode_text(bytes(run), charset))
    return "".join((*pieces, text[place:]))


def decode_word(encoding: str, text: str) -> bytes | None:
    """The bytes of one encoded word; None when there is no making sense of it."""
    try:
        if encoding in "bB":
            return unbase64(text.encode("ascii"))
        return a2b_qp(text.encode("ascii", "xmlcharrefreplace"), header=True)
    except (Error, ValueError):
        return None


def unbase64(raw: bytes) -> bytes:
    """What base64 stands for as far as that can be told: foreign characters are skipped, a cut end is left out."""
    kept = raw.translate(None, NOT_BASE64)
    kept = kept[: len(kept) - (len(kept) % 4 == 1)]
    try:
        return a2b_base64(kept + b"=" * (-len(kept) % 4))
    except (Error, ValueError):
        return b""


BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
NOT_BASE64: Final = bytes(each for each in range(256) if each not in BASE64)


def identifiers(values: list[bytes]) -> Iterator[str]:
    """The message ids in headers such as References, in their order and without their brackets."""
    for value in values:
        text = plain(value)
        bracketed = re.findall(r"<([^<>\s]{1,998})>", text)
        # Some programs forget the brackets, or fold in the middle of an id.
        found = bracketed or [each for each in text.split() if "@" in each and len(each) <= 998]
        yield from map(fitting, filter(None, map(scrub, found)))


def fitting(message_id: str) -> str:
    """A message id as an index holds it: of a longer one the beginning, and the hash of the whole, so that it is one id everywhere."""
    whole = message_id.encode()
    if len(whole) <= LONGEST_ID:
        return message_id
    beginning = whole[: LONGEST_ID - 64].decode(errors="ignore")
    return beginning + hashlib.sha256(whole).hexdigest()
