"""The mails to customers that a tenant can word itself: what each may say, and how it reads unless the tenant says otherwise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.notifications.wording import Fault, Wording, faults

FOOTER: Final = "footer"
"""What stands under every mail to a customer; it has no subject."""

EVERYWHERE: Final[Mapping[str, str]] = {
    "number": "the request's number, such as SUP-1042",
    "subject": "the request's subject",
    "desk": "the name of your desk",
    "mailbox": "the address that answers reach; nothing while you have no mailbox",
    "link": "the request's page in the portal; nothing without a portal",
    "commentsCall": "the call that adds a comment; nothing where there is a mailbox or a portal",
}
"""Names that every wording about a request may say, with what they stand for."""

ON_ONE_LINE: Final = frozenset({"number", "subject", "desk"})
"""Those of them that may stand in a subject."""


@dataclass(frozen=True)
class Kind:
    """One mail: when it is sent, which names it may say beside those everywhere, which it must say, and how it reads by default."""

    about: str
    default: Wording
    names: Mapping[str, str]
    needed: frozenset[str] = frozenset()


def _about_a_request(about: str, text: str, needed: frozenset[str] = frozenset(), **more: str) -> Kind:
    return Kind(about, Wording("{{ subject }}", text), {**EVERYWHERE, **more}, needed)


ANSWER: Final = """

Just answer this mail; it reaches us at {{ mailbox }}.
Add a comment: POST {{ commentsCall }}
See your request: {{ link }}"""
"""How a mail tells its reader to answer; each line stands only where its way is open."""

KINDS: Final[Mapping[str, Kind]] = {
    "ticket_received": _about_a_request(
        "A request has come by mail or through the portal.",
        """We have received your request and will get back to you. Its number is {{ number }}.

{{ subject }}

Our desk is closed at the moment and opens again {{ opensAt }}.
You hear from us by {{ respondBy }} at the latest."""
        + ANSWER,
        opensAt="when the desk opens again; nothing while it is open",
        respondBy="until when an answer is promised; nothing where none is",
    ),
    "ticket_reply": _about_a_request(
        "One of your staff has answered.",
        """{{ comment }}

{{ author }}

Add a comment: POST {{ commentsCall }}
See the whole conversation: {{ link }}""",
        frozenset({"comment"}),
        comment="what was written",
        author="who wrote it",
    ),
    "ticket_resolved": _about_a_request(
        "A request was resolved.",
        """Your request {{ number }} is resolved.

{{ subject }}

If something is still not right, tell us, and we take it up again."""
        + ANSWER
        + """

How did we do? {{ survey }}""",
        survey="links by which the customer says how it went, at the end of a line that asks",
    ),
    "ticket_resolved_unanswered": _about_a_request(
        "A request was resolved because the customer did not answer.",
        """We have not heard from you about {{ number }}, so we take it as resolved.

{{ subject }}

If you still need help, tell us, and we take it up again."""
        + ANSWER,
    ),
    "ticket_closed": _about_a_request(
        "A request was closed.",
        """Your request {{ number }} is closed.

{{ subject }}

Should it come back, tell us; that opens a new request which refers to this one."""
        + ANSWER,
    ),
    "customer_reminder": _about_a_request(
        "The desk still waits for the customer.",
        """We are waiting for your answer on {{ number }}.

{{ subject }}

Please tell us whether you still need help; without an answer the request will be resolved."""
        + ANSWER,
    ),
    "ticket_merged": _about_a_request(
        "A request was closed as one with another.",
        """Your request {{ number }} is about the same as {{ targetNumber }}, where we go on with it.

{{ subject }}

What you answer here reaches us there as well."""
        + ANSWER,
        targetNumber="the number of the request that goes on",
    ),
    FOOTER: Kind(
        "Stands under every mail to a customer.",
        Wording("", "{{ desk }}"),
        {name: EVERYWHERE[name] for name in ("desk", "mailbox")},
    ),
}
"""Every mail that can be worded; one that is not in this list is for the staff, or about a sign-in."""

DEFAULTS: Final[Mapping[str, Wording]] = {name: kind.default for name, kind in KINDS.items()}


def merged(own: Iterable[Mapping[str, Any]]) -> Mapping[str, Wording]:
    """Ours, with what a tenant words itself in their place; wordings of another release are nothing to us."""
    changed = {
        row["name"]: Wording(
            DEFAULTS[row["name"]].subject if row["subject"] is None else row["subject"],
            DEFAULTS[row["name"]].text if row["text"] is None else row["text"],
        )
        for row in own
        if row["name"] in DEFAULTS
    }
    return {**DEFAULTS, **changed}


UNANSWERED: Final = "ticket_resolved_unanswered"


def wrong(name: str, subject: str | None, text: str | None) -> Iterator[tuple[str, Fault]]:
    """Everything that is wrong with a wording of a mail, each with the field where it is."""
    kind = KINDS[name]
    if subject is not None and name == FOOTER:
        yield "subject", Fault("subject", "a footer has none")
    elif subject is not None:
        yield from (("subject", fault) for fault in faults(subject, ON_ONE_LINE, one_line=True))
    if text is not None:
        yield from (("text", fault) for fault in faults(text, kind.names, sorted(kind.needed)))


def wording_of(template: str, payload: Mapping[str, Any]) -> str | None:
    """Which wording a notice takes; None when it is none of these."""
    if template == "ticket_resolved" and payload.get("automatic"):
        return UNANSWERED
    return template if template in KINDS and template != FOOTER else None


SAMPLE: Final[Mapping[str, str]] = {
    "number": "SUP-1042",
    "subject": "Unable to access dashboard",
    "desk": "Acme Support",
    "mailbox": "support@acme.example",
    "link": "https://help.acme.example/tickets/0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11",
    "opensAt": "Monday 2 March 2026, 09:00 (Europe/Berlin)",
    "respondBy": "Monday 2 March 2026, 13:00 (Europe/Berlin)",
    "comment": "Hello Casey,\n\nplease sign out and in again: your new rights are there now.",
    "author": "Alex Agent",
    "targetNumber": "SUP-1041",
}
"""What a preview shows."""

SAMPLE_CHOICES: Final = tuple(
    (label, f"https://help.acme.example/rate?score={score}#sample")
    for score, label in ((5, "Very good"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Very poor"))
)
