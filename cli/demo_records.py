"""What the demo's desk works with: a team's mailbox, rules, macros, a view."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Record:
    """Something that the desk keeps; a `teamId` is a team's name."""

    who: str
    path: str
    named_by: str
    fields: Mapping[str, Any]


RECORDS: Final = (
    Record(
        "admin",
        "/api/mailboxes",
        "address",
        {"address": "billing@summit.example", "name": "Acme Billing", "teamId": "First line", "category": "Billing"},
    ),
    Record(
        "lead",
        "/api/routing-rules",
        "name",
        {
            "name": "Money to those who know billing",
            "condition": {"categories": ["Billing", "Payments"]},
            "teamId": "First line",
            "skills": ["billing"],
        },
    ),
    Record(
        "lead",
        "/api/routing-rules",
        "name",
        {
            "name": "Network, in turn",
            "condition": {"categories": ["Network"]},
            "teamId": "First line",
            "method": "ROUND_ROBIN",
        },
    ),
    Record(
        "lead",
        "/api/ticket-templates",
        "name",
        {
            "name": "Ask for a screenshot",
            "body": "Hello {{ customer.name }},\n\nplease send us a screenshot of what you see.\n\n{{ agent.name }}",
            "changes": {"assigneeId": "me", "status": "PENDING_CUSTOMER"},
        },
    ),
    Record(
        "lead",
        "/api/ticket-templates",
        "name",
        {
            "name": "Hand over to engineering",
            "body": "Seen on {{ ticket.number }}; first line is at its end.",
            "internal": True,
            "changes": {"teamId": "Engineering", "status": "PENDING_INTERNAL"},
        },
    ),
    Record(
        "lead",
        "/api/views",
        "name",
        {
            "name": "Mine, by promise",
            "filters": {"assigneeId": ["me"], "status": ["OPEN", "IN_PROGRESS"]},
            "sort": "nextDeadline",
            "shared": True,
        },
    ),
)
"""Made after the stories, which go their own ways."""
