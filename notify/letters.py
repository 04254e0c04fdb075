"""Mails to customers, from their wording to text and HTML."""

from collections.abc import Mapping, Sequence
from typing import Final

from domain.mail.threads import topic
from domain.notifications.headlines import LONGEST
from domain.notifications.wording import Block, Choices, Wording, fill, fill_line
from domain.notifications.wordings import FOOTER, KINDS
from notify.channel import Undeliverable
from notify.templates import Rendered, letter

UNREAD: Final = Block("say", "Answers to this mail are not read.")


def phrased(
    name: str,
    wordings: Mapping[str, Wording],
    values: Mapping[str, str],
    subject: str,
    unattached: Sequence[Block] = (),
    choices: Choices = (),
) -> Rendered:
    """The mail of a wording under a subject. Raises Undeliverable where it would not say what it is for."""
    missing = [each for each in ("number", "subject", *KINDS[name].needed) if not values.get(each)]
    if missing:
        raise Undeliverable(f"The template {name!r} cannot be filled ({', '.join(missing)}).")
    unread = [] if values.get("mailbox") else [UNREAD]
    blocks = [*fill(wordings[name].text, values, choices), *unattached, *unread]
    footer = "\n".join(block.text for block in fill(wordings[FOOTER].text, values))
    return letter(subject, blocks, footer or values["desk"])


def subject_line(wording: Wording, values: Mapping[str, str], theirs: str | None) -> str:
    """`Re: [SUP-7] Their subject`: the same in every mail about a ticket, but for what programs put before it, and `Re:` only where
    we answer a mail. Programs that go by the subject drop both, and find the conversation of the customer's own mail."""
    base = topic(theirs or "") or values.get("subject", "")
    line = " ".join(fill_line(wording.subject, {**values, "subject": base}).split())
    shown = f"{'Re: ' if theirs is not None else ''}[{values.get('number')}] {line}"
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
