"""Headers of a mail: values that cannot begin another header, in the alphabets that mail knows."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Final

LONGEST_LINE: Final = 900

MOST_ENCODED: Final = 36
"""So many bytes become one encoded word, that with the header's name is a line of at most 76 characters."""

NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9._-]")


def head(headers: Mapping[str, str]) -> bytes:
    """Headers and the empty line after them."""
    return "".join((*(f"{name}: {value}\r\n" for name, value in headers.items()), "\r\n")).encode("ascii")


def plain(text: str) -> bool:
    """Whether `text` can stand in a header as it is: what looks encoded would be decoded by mail programs."""
    return text.isascii() and "=?" not in text and len(text) <= LONGEST_LINE


def words(text: str) -> str:
    """`text` as a header's value: as it stands, or in the encoded words of RFC 2047, one a line and none longer than it allows."""
    if plain(text):
        return text
    return "\r\n ".join(f"=?utf-8?b?{b64encode(piece).decode()}?=" for piece in pieces(text))


def pieces(text: str) -> Iterator[bytes]:
    """`text` in parts of whole characters."""
    piece = b""
    for character in text:
        more = character.encode()
        if len(piece) + len(more) > MOST_ENCODED:
            yield piece
            piece = b""
        piece += more
    yield piece


def one_line(text: str) -> str:
    """`text` without what would begin another header."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())


def plain_token(text: str) -> str:
    """`text` with nothing but letters, digits, dots and dashes."""
    return NO_TOKEN.sub("", text)
