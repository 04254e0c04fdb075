"""A mail as bytes, put together by hand: it is always the same two parts, and a composer of every MIME costs twenty times as much."""

import re
import secrets
from email.utils import formataddr, formatdate
from functools import cache
from hashlib import blake2b
from quopri import encodestring
from typing import Final

from domain.mail.writable import wire_address
from notify.attachments import mixed
from notify.channel import Mail, Undeliverable
from notify.headers import LONGEST_LINE, head, one_line, plain, plain_token, words

MESSAGE_ID: Final = re.compile(r"[!-;=?-~]{1,250}")
LINE_ENDS: Final = re.compile(r"\r\n?|\n")


def compose(mail: Mail) -> bytes:
    """The message with text, HTML and files. Raises Undeliverable for an address that cannot be written to."""
    boundary = blake2b(mail.id.encode(), key=process_key(), digest_size=16).hexdigest()
    headers = {
        "From": named_address(one_line(mail.sender_name), plain_address(mail.sender)),
        "To": plain_address(mail.to),
        "Date": formatdate(localtime=True),
        "Message-ID": f"<{mail.id}@{mail.domain}>",
    }
    if mail.reply_to:
        headers["Reply-To"] = plain_address(mail.reply_to)
    chain = [f"<{each}>" for each in mail.references if MESSAGE_ID.fullmatch(each)]
    if chain:
        headers["In-Reply-To"] = chain[-1]
        headers["References"] = "\r\n ".join(chain)
    if mail.topic:
        # Before the subject: Outlook takes it for the conversation then, and does not mind the number in the subject.
        headers["Thread-Topic"] = words(one_line(mail.topic))
    headers["Subject"] = words(one_line(mail.subject))
    if mail.automatic:
        # RFC 3834: no vacation notice may answer this.
        headers["Auto-Submitted"] = mail.automatic
    headers["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    if mail.origin:
        headers["X-Summit"] = plain_token(mail.origin)
    headers["MIME-Version"] = "1.0"
    kind = f'multipart/alternative; boundary="{boundary}"'
    parts = (part("plain", mail.text), part("html", mail.html))
    body = b"".join((*(f"\r\n--{boundary}\r\n".encode() + each for each in parts), f"\r\n--{boundary}--\r\n".encode()))
    if not mail.files:
        return head({**headers, "Content-Type": kind}) + body
    return head({**headers, "Content-Type": f'multipart/mixed; boundary="{boundary}x"'}) + mixed(
        f"{boundary}x", head({"Content-Type": kind}) + body, mail.files
    )


@cache
def process_key() -> bytes:
    """What makes boundaries that nobody can have written into a comment; the system's random numbers cost more than a mail."""
    return secrets.token_bytes(32)


def part(subtype: str, text: str) -> bytes:
    """As it stands where that is possible; quoted-printable for other alphabets, and for lines longer than mail allows."""
    lines = LINE_ENDS.split(text)
    content = "\r\n".join(lines).encode("utf-8", "replace")
    if text.isascii() and max(map(len, lines)) <= LONGEST_LINE:
        charset, encoding = "us-ascii", "7bit"
    else:
        charset, encoding, content = "utf-8", "quoted-printable", encodestring(content)
    described = {
        "Content-Type": f'text/{subtype}; charset="{charset}"',
        "Content-Transfer-Encoding": encoding,
    }
    return head(described) + content


def named_address(name: str, address: str) -> str:
    """A name, quoted or encoded where it must be, and the address."""
    return formataddr((name, address)) if plain(name) else f"{words(name)}\r\n <{address}>"


def plain_address(address: str) -> str:
    """The address as every server takes it. Raises Undeliverable."""
    plain = wire_address(address)
    if plain is None:
        raise Undeliverable("The address cannot be written to.")
    return plain
