"""Structured headers such as Content-Type: a value and its parameters (RFC 2045, those in pieces or in a charset as in RFC 2231)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from domain.mail.headers import LONGEST_TEXT, decode_text, one_line, plain

# The end of a quoted text may be missing; what is between it and the next semicolon is passed over.
GIVEN: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"([^"\\]*(?:\\.?[^"\\]*)*)"?|([^;]*))')
NAME: Final = re.compile(r"(.*?)(?:\*([0-9]{1,3}))?(\*?)")
CHARSET: Final = re.compile(r"([^']*)'[^']*'")
ESCAPED: Final = re.compile(r'\\([\\"])')
"""A backslash before anything else is one, in the file names of some programs."""

Piece = tuple[str, bool]
"""Some text, and whether it is encoded as RFC 2231 has it."""


def parameters(raw: bytes) -> tuple[str, dict[str, str]]:
    """The value in lower case, and what is given by name. It reads each character once, whatever the input."""
    text = one_line(plain(raw[:LONGEST_TEXT]))
    found: dict[str, str] = {}
    pieces: dict[str, dict[int, Piece]] = {}
    for given in GIVEN.finditer(text):
        said = ESCAPED.sub(r"\1", given[2]) if given[2] is not None else given[3]
        name = NAME.fullmatch(given[1].lower())
        if name is None or not (name[2] or name[3]):
            found[given[1].lower()] = said.strip()
        else:
            pieces.setdefault(name[1], {})[int(name[2] or 0)] = (said, bool(name[3]))
    # Of a name that is given both ways the one in a charset is meant.
    found |= {name: one_line(joined(parts)) for name, parts in pieces.items()}
    return text.partition(";")[0].strip().lower(), found


def joined(parts: Mapping[int, Piece]) -> str:
    """A parameter put together from its pieces; the first one names the charset."""
    ordered = [parts[number] for number in sorted(parts)]
    if not any(encoded for _, encoded in ordered):
        return "".join(said for said, _ in ordered)
    first, encoded = ordered[0]
    charset = CHARSET.match(first) if encoded else None
    if charset is not None:
        ordered[0] = (first[charset.end() :], True)
    content = b"".join(unquote_to_bytes(said) if coded else said.encode() for said, coded in ordered)
    return decode_text(content, charset[1] if charset is not None else None)
