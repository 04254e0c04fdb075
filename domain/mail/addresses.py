"""The address that a customer's answer goes to: it names its ticket, and only we can have made it."""

import hashlib
import hmac
from base64 import b32decode, b32encode
from binascii import Error
from typing import Final
from uuid import UUID

SIGNATURE_BYTES: Final = 10
"""80 bits: nobody guesses one, and the local part stays below the 64 characters of RFC 5321."""

ID_BYTES: Final = 16


def reply_address(mailbox: str, ticket_id: UUID, key: bytes) -> str:
    """The mailbox's address with the ticket's signed token behind a plus sign, such as `support+c4…@example.com`.

    A local part that grows too long with it is left as it is: then the message's headers tell the ticket.
    """
    local, _, domain = mailbox.rpartition("@")
    made = f"{local}+{_token(ticket_id, key)}"
    return f"{made}@{domain}" if len(made) <= 64 else mailbox


def split_address(address: str) -> tuple[str, str | None]:
    """An address in lower case without what follows a plus sign in its local part, and that, if there is any."""
    local, _, domain = address.strip().lower().rpartition("@")
    plain, plus, token = local.partition("+")
    return f"{plain}@{domain}", token if plus else None


def read_token(token: str | None, key: bytes) -> UUID | None:
    """The ticket that a token names; None when the key has not made it. Upper and lower case mean the same."""
    if token is None:
        return None
    try:
        raw = b32decode(token.upper() + "=" * (-len(token) % 8))
    except (Error, ValueError):
        return None
    if len(raw) != ID_BYTES + SIGNATURE_BYTES:
        return None
    ticket_id = UUID(bytes=raw[:ID_BYTES])
    return ticket_id if hmac.compare_digest(raw[ID_BYTES:], _signature(ticket_id, key)) else None


def _token(ticket_id: UUID, key: bytes) -> str:
    return b32encode(ticket_id.bytes + _signature(ticket_id, key)).decode().rstrip("=").lower()


def _signature(ticket_id: UUID, key: bytes) -> bytes:
    return hmac.digest(key, b"reply" + ticket_id.bytes, hashlib.sha256)[:SIGNATURE_BYTES]
