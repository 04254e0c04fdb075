"""Rating a resolution: when a ticket can be rated, and the links that let whoever got the mail do it."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.process import Conflict, NotFound
from domain.tickets.model import Status

SCORES: Final = range(1, 6)

LOW: Final = 2
"""Scores up to this one are told at once to whoever had the ticket."""

PURPOSE: Final = b"rating"
"""The tenant's key signs addresses too; what is signed for one is worth nothing for another."""

MAC_BYTES: Final = 16
NUMBER_BYTES: Final = 4


class AlreadyRated(Conflict):
    """This resolution was rated before; a rating is never changed."""

    def __init__(self) -> None:
        super().__init__(
            "This resolution was rated before. A ticket can be rated again after it was reopened and resolved."
        )


class NotRateable(Conflict):
    """The ticket is not resolved: it is open, or was cancelled or merged, or has been resolved anew since the mail."""

    def __init__(self) -> None:
        super().__init__("Only a ticket that is resolved can be rated, and only its latest resolution.")


def unknown_survey() -> NotFound:
    """What is wrong with a link that we did not make."""
    return NotFound("The link is not one of ours. Use the one in the mail as it is.")


def resolution_of(ticket: Mapping[str, Any]) -> int:
    """The number of the resolution that stands: each reopening has ended one. Raises NotRateable where none stands."""
    by_resolution = ticket["resolved_at"] is not None and ticket["merged_into"] is None
    if not by_resolution or ticket["status"] not in (Status.RESOLVED, Status.CLOSED):
        raise NotRateable
    return int(ticket["reopens"]) + 1


class Survey(NamedTuple):
    """What a link of a mail is about, and the proof that we made it."""

    tenant_id: UUID
    ticket_id: UUID
    resolution: int
    mac: bytes

    def genuine(self, key: bytes) -> bool:
        """Whether the tenant's key made it."""
        return hmac.compare_digest(self.mac, _mac(key, _about(self.tenant_id, self.ticket_id, self.resolution)))


def survey_token(key: bytes, tenant_id: UUID, ticket_id: UUID, resolution: int) -> str:
    """What lets whoever has it rate this resolution, once."""
    about = _about(tenant_id, ticket_id, resolution)
    return base64.urlsafe_b64encode(about + _mac(key, about)).decode().rstrip("=")


def read_survey(token: str) -> Survey:
    """What a token is about; it may be forged. Raises NotFound."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise unknown_survey() from None
    if len(raw) != 32 + NUMBER_BYTES + MAC_BYTES:
        raise unknown_survey()
    return Survey(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), int.from_bytes(raw[32:36]), raw[36:])


def _about(tenant_id: UUID, ticket_id: UUID, resolution: int) -> bytes:
    return tenant_id.bytes + ticket_id.bytes + resolution.to_bytes(NUMBER_BYTES)


def _mac(key: bytes, about: bytes) -> bytes:
    return hmac.digest(key, PURPOSE + about, hashlib.sha256)[:MAC_BYTES]
