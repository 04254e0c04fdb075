"""What the words of a Zendesk ticket mean here: status, priority, channel, texts, custom fields."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import nh3

from cli.imports.model import in_one_line, storable
from domain.customers import ContactChannel
from domain.tickets.model import MOST_COPIES, Priority, Status

STATUS: Final[Mapping[str, Status]] = {
    "new": Status.NEW,
    "open": Status.OPEN,
    "pending": Status.PENDING_CUSTOMER,
    "hold": Status.PENDING_INTERNAL,
    "solved": Status.RESOLVED,
    "closed": Status.CLOSED,
}
PRIORITY: Final[Mapping[str, Priority]] = {
    "low": Priority.LOW,
    "normal": Priority.MEDIUM,
    "high": Priority.HIGH,
    "urgent": Priority.URGENT,
}
CHANNEL: Final[Mapping[str, ContactChannel]] = {
    **dict.fromkeys(("email", "mail"), ContactChannel.EMAIL),
    **dict.fromkeys(("web", "web_form", "web_widget", "mobile", "mobile_sdk", "help_center"), ContactChannel.PORTAL),
    **dict.fromkeys(
        ("chat", "chat_transcript", "messaging", "native_messaging", "sms", "whatsapp", "facebook", "twitter"),
        ContactChannel.CHAT,
    ),
    **dict.fromkeys(("phone", "voice", "voicemail"), ContactChannel.PHONE),
}
"""Everything else came through an API."""

RATED: Final = frozenset({"good", "bad"})
MERGED_INTO: Final = re.compile(r"merged into (?:request|ticket) #(\d+)", re.IGNORECASE)
MERGED_TAG: Final = "closed_by_merge"

LONGEST_TAG, MOST_TAGS = 64, 50
LONGEST_KEY: Final = 40
"""A field's name here begins with a letter and has letters, digits and underscores (domain/tickets/fields.py)."""

OWN: Final = frozenset(
    {"cc_more", "due_at", "external_id", "organization", "satisfaction", "satisfaction_comment", "tags_more"}
)
"""The fields that hold what has no place of its own here: no custom field has their names, and no customer sees them."""


def channel(raw: Mapping[str, Any]) -> ContactChannel:
    """How the ticket came."""
    via = raw.get("via")
    named = via.get("channel") if isinstance(via, Mapping) else via
    key = str(named or "").strip().lower().replace(" ", "_")
    return CHANNEL.get(key, ContactChannel.API)


def plain(comment: Mapping[str, Any]) -> str:
    """A comment's text; of one that is only HTML what it says."""
    for name in ("plain_body", "body"):
        text = comment.get(name)
        if isinstance(text, str) and text.strip():
            return str(storable(text)).replace("&nbsp;", " ").strip("\n")
    marked = comment.get("html_body")
    return nh3.clean(marked, tags=set()).strip() if isinstance(marked, str) else ""


def attached(comment: Mapping[str, Any]) -> str:
    """The names of a comment's files, as a line to put under its text: the export has no more of them."""
    files = [each for each in comment.get("attachments") or () if isinstance(each, Mapping)]
    names = [f"{each.get('file_name') or 'file'} ({each.get('size', '?')} bytes)" for each in files]
    return f"[Attachments in Zendesk: {', '.join(names)}]" if names else ""


def with_files(text: str, comment: Mapping[str, Any]) -> str:
    """What somebody said, with the names of the files that came with it."""
    return "\n\n".join(part for part in (text, attached(comment)) if part.strip()) or "(no text)"


def same(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but white space and marks, of which one form of a comment has more than another."""
    first, second = (re.findall(r"[^\W_]+", html.unescape(text)) or text.split() for text in (one, other))
    return first == second


def repeats(comment: Mapping[str, Any], text: str) -> bool:
    """Whether a comment, in any of its forms, says the same as a text."""
    forms = [comment.get("plain_body"), comment.get("body"), plain(comment)]
    return any(isinstance(form, str) and same(form, text) for form in forms)


def public(comment: Mapping[str, Any]) -> bool:
    """Whether the customer sees a comment."""
    return comment.get("public") is not False


def opening(
    raw: Mapping[str, Any], where: str, said: Sequence[tuple[str, Any]]
) -> tuple[str, Sequence[tuple[str, Any]]]:
    """A ticket's description, and what was said beside it, the earliest first.

    There the description is the first comment once more, also where that is a note among agents: then the first public
    comment is the description here, or without one the subject.
    """
    text = plain({"plain_body": raw.get("description")})
    if raw.get("is_public") is False and text and not any(repeats(each, text) for _, each in said):
        note = {"id": "description", "author_id": raw.get("submitter_id"), "created_at": raw.get("created_at")}
        said = [(where, note | {"body": text, "public": False}), *said]
    first = next((each for each in said if public(each[1])), None)
    again = first is not None and repeats(first[1], text)
    private = not again and any(repeats(each, text) for _, each in said if not public(each))
    if first is not None and (again or private or not text):
        text = with_files(text if again else plain(first[1]), first[1])
        said = [each for each in said if each is not first]
    elif private:
        text = ""
    return text or in_one_line(raw.get("subject")) or "(no text)", said


def word(text: str) -> str:
    """A text as the name of a field; nothing where it has no letter for one to begin with."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).lstrip("_0123456789").rstrip("_")[:LONGEST_KEY]


def slugs(ticket_fields: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The name under which each custom field is kept: its title as a word, with the id where that name is taken."""
    found: dict[str, str] = {}
    for each in ticket_fields:
        key, slug = str(each.get("id")), word(str(each.get("title") or ""))
        if not slug:
            continue
        taken = slug in OWN or slug in found.values()
        found[key] = word(f"{slug[: max(1, LONGEST_KEY - len(key) - 1)]}_{key}") if taken else slug
    return found


def slug_of(key: str, names: Mapping[str, str]) -> str:
    """The name of a custom field by its id, also of one that the export does not name."""
    return names.get(key) or word(f"zendesk_{key}")


def titles(ticket_fields: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    """What the fields are called there, by their names here."""
    found = {slug_of(str(each.get("id")), names): in_one_line(each.get("title")) for each in ticket_fields}
    return {name: str(title)[:200] for name, title in found.items() if title}


def shown(ticket_fields: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> frozenset[str]:
    """The names of the custom fields that customers see there; of any other nobody has said that they may."""
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for each in ticket_fields:
        in_portal = each.get("visible_in_portal") is True and each.get("active") is not False
        seen[in_portal].add(slug_of(str(each.get("id")), names))
    return frozenset(seen[True] - seen[False])


def custom(raw: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The custom fields that have a value."""
    given = raw.get("custom_fields") or raw.get("fields") or ()
    pairs = [(str(each.get("id")), each.get("value")) for each in given if isinstance(each, Mapping)]
    return {slug_of(key, names): value for key, value in pairs if value not in (None, "", [])}


def extras(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What has no place of its own here, kept among the fields."""
    rating = raw.get("satisfaction_rating")
    rating = rating if isinstance(rating, Mapping) else {}
    found = {"due_at": raw.get("due_at"), "external_id": raw.get("external_id")}
    if rating.get("score") in RATED:
        found |= {"satisfaction": rating["score"], "satisfaction_comment": rating.get("comment")}
    return {name: value for name, value in found.items() if value not in (None, "")}


def tags(raw: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The tags that a ticket can have here, and those that are too long or too many."""
    given = [" ".join(str(each).split()) for each in raw.get("tags") or () if str(each).strip()]
    fit = [each for each in dict.fromkeys(given) if len(each) <= LONGEST_TAG][:MOST_TAGS]
    return fit, [each for each in given if each not in fit]


def copies(addresses: Sequence[str]) -> tuple[list[str], list[str]]:
    """The addresses that can be copied in here, and those that are too many."""
    found = list(dict.fromkeys(each.lower() for each in addresses))
    return found[:MOST_COPIES], found[MOST_COPIES:]


def ends(status: str, raw: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """When it was resolved and closed, as far as it is; an export without such an instant has that of its last change."""
    closed, changed = status == "closed", raw.get("updated_at")
    return {
        "resolved_at": metrics.get("solved_at") or changed if closed or status == "solved" else None,
        "closed_at": metrics.get("status_updated_at") or changed if closed else None,
    }


def related(raw: Mapping[str, Any], said: Iterable[str]) -> list[str]:
    """The tickets with which this one hangs together: its problem, what it follows up and what follows it up, what took it in."""
    via = raw.get("via")
    source = via.get("source") if isinstance(via, Mapping) else None
    origin = source.get("from") if isinstance(source, Mapping) and source.get("rel") == "follow_up" else None
    found = [raw.get("problem_id"), *(raw.get("followup_ids") or ())]
    found += [origin.get("ticket_id")] if isinstance(origin, Mapping) else []
    if MERGED_TAG in (raw.get("tags") or ()):
        found += [match for text in said for match in MERGED_INTO.findall(text)]
    own = str(raw.get("id"))
    return [key for key in dict.fromkeys(str(each) for each in found if each) if key != own]
