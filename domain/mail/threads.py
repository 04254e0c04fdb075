"""What mail programs make a conversation of: the references of a mail, and its subject."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

MOST_AT_AN_END: Final = 10
"""So many references from either end; what lies between is left out, as RFC 5322 allows."""

PREFIX: Final = re.compile(
    r"\s*(?:(?:re|fwd?|aw|wg|antw|sv|vs|tr|rif|r|i)(?:\[\d+\])?\s*:|\[sup-\d+\])\s*", re.IGNORECASE
)
"""What mail programs put before a subject, and what we do."""


def topic(subject: str) -> str:
    """A subject without what was put before it."""
    rest = subject
    while found := PREFIX.match(rest):
        rest = rest[found.end() :]
    return rest.strip()


def root(ticket_id: UUID) -> str:
    """The left side of what every mail about a ticket refers to first."""
    return f"ticket.{ticket_id}"


def references(first: str, known: Sequence[str], last: str | None) -> tuple[str, ...]:
    """The conversation so far, each message once and the one that is answered (`last`) at the end; a long one loses its middle."""
    ends = known if len(known) <= 2 * MOST_AT_AN_END else (*known[:MOST_AT_AN_END], *known[-MOST_AT_AN_END:])
    chain = dict.fromkeys((first, *ends))
    if last is not None:
        chain.pop(last, None)
        chain[last] = None
    return tuple(chain)
