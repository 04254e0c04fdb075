"""What webhooks can be told of: the names of events, and what each says."""

from collections.abc import Mapping
from typing import Final

EVENTS: Final[Mapping[str, str]] = {
    "ticket.created": "a ticket was opened",
    "ticket.updated": "fields, status or assignment of a ticket changed",
    "ticket.commented": "a comment was written",
    "ticket.merged": "a ticket was closed as one with another",
    "ticket.rated": "a customer said how a ticket was resolved",
    "ticket.escalated": "an escalation rule with the action WEBHOOK fired",
    "ticket.sla_breached": "a promise was broken",
    "ticket.sla_annulled": "a breach turned out to be none, because the answer came in time and was recorded late",
}
"""Every event of the product; a new one adds its line."""

ALL: Final = "*"

PATTERNS: Final = (ALL, *dict.fromkeys(f"{name.partition('.')[0]}.*" for name in EVENTS), *EVENTS)
"""What a webhook may ask for."""
