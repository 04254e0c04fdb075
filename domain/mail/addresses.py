"""Addresses that only we can have made: where an answer goes names its ticket, where a bounce goes names the notice.

One that went to everybody in a conversation proves that its sender knows the conversation. Only one that was signed for one of
the staff proves who they are.
"""

import hmac
from base64 import b32decode, b32encode
from binascii import Error
from typing import Final
from uuid import UUID

SIGNATURE_BYTES: Final = 10
"""80 bits: nobody guesses one, and the local part stays below the 64 characters of RFC 5321."""

ID_BYTES: Final = 16

REPLY: Final = b"reply"
STAFF: Final = b"staff"
NOTE: Final = b"note"
BOUNCE: Final = b"bounce"
"""What a token is for, so that one of a kind is none of the other."""


def reply_address(mailbox: str, ticket_id: UUID, key: bytes) -> str:
    """The mailbox's address with the ticket's signed token behind a plus sign, such as `support+c4…@example.com`.

    A local part that grows too long with it is left as it is: then the message's headers tell the ticket.
    """
    return _signed(mailbox, ticket_id, REPLY, key)


def staff_address(mailbox: str, ticket_id: UUID, user_id: UUID, key: bytes) -> str:
    """The same for one of the staff, in whose name nobody else can answer: the signature is of the ticket and of them.

    It is no longer than the other: who they are is told by From, and the signature holds for nobody else.
    """
    return _signed(mailbox, ticket_id, STAFF + user_id.bytes, key)


def note_address(mailbox: str, ticket_id: UUID, user_id: UUID, key: bytes) -> str:
    """The same under a note of the staff: what is answered to it is a note as well."""
    return _signed(mailbox, ticket_id, NOTE + user_id.bytes, key)


def bounce_address(mailbox: str, notice_id: UUID, key: bytes) -> str:
    """The envelope's sender of the mail that a notice became: a bounce comes back to it, whatever it quotes."""
    return _signed(mailbox, notice_id, BOUNCE, key)


def split_address(address: str) -> tuple[str, str | None]:
    """An address in lower case without what follows a plus sign in its local part, and that, if there is any."""
    local, _, domain = address.strip().lower().rpartition("@")
    plain, plus, token = local.partition("+")
    return f"{plain}@{domain}", token if plus else None


def read_token(token: str | None, key: bytes) -> UUID | None:
    """The ticket that a token names; None when the key has not made it. Upper and lower case mean the same."""
    return _read(token, REPLY, key)


def read_staff_token(token: str | None, user_id: UUID, key: bytes) -> UUID | None:
    """The ticket that a token names which was signed for this one of the staff; None for anybody else's."""
    return _read(token, STAFF + user_id.bytes, key)


def read_note_token(token: str | None, user_id: UUID, key: bytes) -> UUID | None:
    """The same for an answer to a note."""
    return _read(token, NOTE + user_id.bytes, key)


def read_bounce(token: str | None, key: bytes) -> UUID | None:
    """The notice whose mail has bounced; None when the key has not made the token, or for an answer."""
    return _read(token, BOUNCE, key)


def _signed(mailbox: str, named: UUID, purpose: bytes, key: bytes) -> str:
    local, _, domain = mailbox.rpartition("@")
    token = b32encode(named.bytes + _signature(named, purpose, key)).decode().rstrip("=").lower()
    made = f"{local}+{token}"
    return f"{made}@{domain}" if len(made) <= 64 else mailbox


def _read(token: str | None, purpose: bytes, key: bytes) -> UUID | None:
    if token is None:
        return None
    try:
        raw = b32decode(token.upper() + "=" * (-len(token) % 8))
    except (Error, ValueError):
        return None
    if len(raw) != ID_BYTES + SIGNATURE_BYTES:
        return None
    named = UUID(bytes=raw[:ID_BYTES])
    return named if hmac.compare_digest(raw[ID_BYTES:], _signature(named, purpose, key)) else None


def _signature(named: UUID, purpose: bytes, key: bytes) -> bytes:
    return hmac.digest(key, purpose + named.bytes, "sha256")[:SIGNATURE_BYTES]
