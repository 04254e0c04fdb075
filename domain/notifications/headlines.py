"""What a notice says in one line: the subject of a mail, the title in the inbox, the text in a chat."""

from collections.abc import Mapping
from string import Formatter
from typing import Any, Final

HEADLINES: Final[Mapping[str, str]] = {
    "ticket_assigned": "Assigned to you: {subject}",
    "ticket_reply": "{subject}",
    "answer_undelivered": "{answer} did not reach {address}: {reason}",
    "customer_replied": "The customer replied: {subject}",
    "ticket_resolved": "{subject}",
    "ticket_closed": "{subject}",
    "customer_reminder": "{subject}",
    "ticket_received": "{subject}",
    "ticket_merged": "{subject}",
    "ticket_absorbed": "SUP-{sourceNumber} was merged into: {subject}",
    "low_rating": "Rated {score} of 5: {subject}",
    "ticket_watched": "News for those who watch: {subject}",
    "mentioned": "You were mentioned: {subject}",
    "sla_warning": "{clock} {progress}{reminder}: {subject}",
    "sla_breached": "{clock} breached{reminder}: {subject}",
    "sla_annulled": "{clock} was met after all: {subject}",
    "escalated": "Escalated ({rule}{reminder}): {subject}",
    "page": "PAGE ({rule}{reminder}): {subject}",
    "credit_proposed": "A credit of {amount} {currency} is proposed: {subject}",
    "invitation": "You are invited to {tenant}",
    "password_reset": "Set a new password for {tenant}",
    "digest": "{count} notifications",
}
"""One line per template; a new template adds its own. Names in braces come from the payload, from what it is about, and from `DERIVED`."""

LONGEST: Final = 200


def reminder(facts: Mapping[str, Any]) -> str:
    """Which repeat of its rule this is, when it is one: `times` counts how often the rule has fired."""
    times = facts.get("times")
    return f", reminder {times - 1}" if isinstance(times, int) and times > 1 else ""


def progress(facts: Mapping[str, Any]) -> str:
    """How far a promise is used up; rules on minutes before a deadline know no percentage."""
    percent = facts.get("percent")
    return "is due soon" if percent is None else f"has used {percent} % of its time"


def answer(facts: Mapping[str, Any]) -> str:
    """What did not arrive, and whose it was: not everybody who is told has written it."""
    return f"{'Your' if facts.get('own') else 'The'} {facts.get('what')}"


DERIVED: Final = {"reminder": reminder, "progress": progress, "answer": answer}
"""Names in braces that no payload holds."""


def headline(template: str, facts: Mapping[str, Any]) -> str:
    """One line without control characters, with the ticket's number in front. Raises KeyError for an unknown template."""
    pattern = HEADLINES[template]
    named = {name for _, name, _, _ in Formatter().parse(pattern) if name}
    text = pattern.format_map(
        {name: DERIVED[name](facts) if name in DERIVED else worded(facts.get(name)) for name in named}
    )
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    number = facts.get("number")
    shown = f"[SUP-{number}] {line}" if number else line
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def title(template: str, facts: Mapping[str, Any]) -> str:
    """The headline; for a template of another release its name, so that one odd entry does not hide the others."""
    try:
        return headline(template, facts)
    except KeyError:
        return worded(template.upper())


def worded(value: Any) -> str:
    """A fact as people read it: `FIRST_RESPONSE` as `First response`."""
    text = "" if value is None else str(value)
    return text.replace("_", " ").capitalize() if "_" in text and text.isupper() else text
