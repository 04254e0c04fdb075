"""What a message is about, from what was read when its row was leased: the ticket, the comment, the person, where to look further."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from domain.identity import Role
from domain.notifications.preferences import Preferences, read_preferences
from domain.notifications.recipients import Kind, Recipient
from domain.ratings import SCORES
from notify.channel import Undeliverable


@dataclass(frozen=True)
class Person:
    """A user who is told."""

    id: UUID
    address: str
    name: str
    staff: bool
    preferences: Preferences


@dataclass(frozen=True)
class About:
    """Everything that a template may say, and the person when the recipient is one."""

    facts: Mapping[str, Any]
    person: Person | None
    ticket_id: UUID | None
    tenant: str
    files_call: str | None


@dataclass(frozen=True)
class Sites:
    """Where people find what a message is about: the API always, pages only where there is a portal."""

    api: str
    portal: str | None

    def page(self, path: str) -> str | None:
        """A page of the portal, when there is one."""
        return None if self.portal is None else f"{self.portal}{path}"


def read_about(item: Mapping[str, Any], recipient: Recipient, sites: Sites) -> About:
    """What `item` is about. Raises Undeliverable when its person is gone, or when it would show a customer what is internal."""
    payload, found = item["payload"], item["facts"]
    person = person_of(found) if recipient.kind is Kind.PERSON else None
    if found["internal"] and (person is None or not person.staff):
        raise Undeliverable("The comment is for the staff only.")
    known = {name: value for name, value in found.items() if name in SHOWN and value is not None}
    return About(
        facts={
            **UNSAID,
            **payload,
            **known,
            **links(found, payload, sites),
            "answerable": found["mailbox"] is not None,
        },
        person=person,
        ticket_id=found["ticket_id"],
        tenant=found["tenant"],
        files_call=f"{sites.api}/api/tickets/{found['ticket_id']}/attachments" if found["ticket_id"] else None,
    )


INSTANTS: Final = {"deadlineAt": "deadline"}
"""Instants in payloads, and the names under which templates find them as people read them."""

UNSAID: Final = {"automatic": False, "cause": None, "times": 1, "answerable": False}
"""What payloads say only where it matters."""

SHOWN = frozenset({"tenant", "number", "subject", "status", "severity", "priority", "comment", "author", "name"})


def person_of(found: Mapping[str, Any]) -> Person:
    """The user who was read. Raises Undeliverable unless it is an active one."""
    if not found["active"]:
        raise Undeliverable("The recipient is no active user.")
    return Person(
        found["user_id"],
        found["email"],
        found["name"],
        found["role"] != Role.CUSTOMER,
        read_preferences(found["preferences"]),
    )


def survey_links(sites: Sites, token: str) -> list[tuple[str, str]]:
    """One link for each answer, the best first. The token stands behind the hash, and none of them rates by being followed."""
    page = f"{sites.portal or sites.api}/rate"
    return [(WORDS[score], f"{page}?score={score}#{token}") for score in reversed(SCORES)]


WORDS: Final[Mapping[int, str]] = {5: "Very good", 4: "Good", 3: "Fair", 2: "Poor", 1: "Very poor"}


def links(found: Mapping[str, Any], payload: Mapping[str, Any], sites: Sites) -> dict[str, Any]:
    """Where to look further, and instants as people read them, in UTC."""
    ticket = found["ticket_id"]
    made: dict[str, Any] = {
        "link": sites.page(f"/tickets/{ticket}") if ticket else None,
        "inbox_link": sites.page("/inbox"),
        "comments_call": f"{sites.api}/api/tickets/{ticket}/comments" if ticket else None,
        "password_call": f"{sites.api}/api/auth/password",
    }
    if "token" in payload:
        # Behind the hash: browsers keep it to themselves, so it stands in no server's log.
        made["password_link"] = f"{sites.portal or sites.api}/set-password#{payload['token']}"
    for name, shown in INSTANTS.items():
        if payload.get(name):
            made[shown] = f"{datetime.fromisoformat(str(payload[name])):%Y-%m-%d %H:%M %Z}".strip()
    return made
