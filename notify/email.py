"""A mail as bytes, put together by hand: it is always the same two parts, and a composer of every MIME costs twenty times as much."""

import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from email.utils import formataddr, formatdate
from quopri import encodestring
from typing import Final

from notify.channel import Mail, Undeliverable

LONGEST_LINE: Final = 900

MOST_ENCODED: Final = 39
"""So many bytes become one encoded word, that with the header's name is a line of at most 76 characters."""

ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
LINE_ENDS: Final = re.compile(r"\r\n?|\n")


def compose(mail: Mail) -> bytes:
    """The message with text and HTML. Raises Undeliverable for an address that cannot be written to."""
    domain = mail.sender.rpartition("@")[2]
    boundary = secrets.token_hex(16)  # nobody can have written it into a comment
    headers = {
        "From": named_address(one_line(mail.sender_name), mail.sender),
        "To": plain_address(mail.to),
        "Subject": words(one_line(mail.subject)),
        "Date": formatdate(localtime=True),
        "Message-ID": f"<{mail.id}@{domain}>",
        # RFC 3834: no vacation notice may answer this.
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    if mail.thread:
        headers["In-Reply-To"] = headers["References"] = f"<{mail.thread}@{domain}>"
    parts = (part("plain", mail.text), part("html", mail.html))
    written = (f"\r\n--{boundary}\r\n".encode() + each for each in parts)
    return b"".join((head(headers), *written, f"\r\n--{boundary}--\r\n".encode()))


def head(headers: dict[str, str]) -> bytes:
    """Headers and the empty line after them."""
    return "".join((*(f"{name}: {value}\r\n" for name, value in headers.items()), "\r\n")).encode("ascii")


def part(subtype: str, text: str) -> bytes:
    """As it stands where that is possible; quoted-printable for other alphabets, and for lines longer than mail allows."""
    lines = LINE_ENDS.split(text)
    content = "\r\n".join(lines).encode()
    if text.isascii() and max(map(len, lines)) <= LONGEST_LINE:
        charset, encoding = "us-ascii", "7bit"
    else:
        charset, encoding, content = "utf-8", "quoted-printable", encodestring(content)
    described = {
        "Content-Type": f'text/{subtype}; charset="{charset}"',
        "Content-Transfer-Encoding": encoding,
    }
    return head(described) + content


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


def named_address(name: str, address: str) -> str:
    """A name, quoted or encoded where it must be, and the address."""
    return formataddr((name, address)) if plain(name) else f"{words(name)}\r\n <{address}>"


def plain_address(address: str) -> str:
    """The address as every server takes it, its domain in ASCII. Raises Undeliverable."""
    local, _, domain = address.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        plain = ""
    if not ADDRESS.fullmatch(plain):
        raise Undeliverable("The address cannot be written to.")
    return plain


def one_line(text: str) -> str:
    """`text` without what would begin another header."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
