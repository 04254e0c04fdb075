"""Whether a machine wrote a mail (RFC 3834, and what programs do instead): nobody waits for an answer to it."""

import re
from typing import Final

from domain.mail.headers import Headers, one_line, plain

BULK: Final = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
MACHINES: Final = re.compile(
    r"(mailer[-_.]?daemon|postmaster|mail[-_.]?daemon|double-bounce|bounces?)([+=-].*)?@", re.IGNORECASE
)
REPLIERS: Final = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-mail-autoreply", "x-vacation")
LISTS: Final = ("list-id", "list-unsubscribe", "feedback-id")
SUPPRESSING: Final = frozenset({"all", "autoreply", "oof"})


def automatic(headers: Headers) -> str | None:
    """The header that says that a machine wrote this, for people to read; None for what a person wrote.

    `Auto-Submitted: no` says that it was a person, whatever else is there; and so does its absence in mail of Summit, which
    asks for no answers of machines in each of its mails.
    """
    submitted = headers.word("auto-submitted")
    if submitted == "no" or (not submitted and headers.has("x-summit")):
        return None
    if submitted:
        return f"Auto-Submitted: {submitted[:40]}"
    for name in REPLIERS:
        if headers.has(name) and headers.word(name) not in ("no", "false", "0"):
            return shown(headers, name)
    if headers.word("precedence") in BULK or headers.word("x-precedence") in BULK:
        return shown(headers, "precedence" if headers.has("precedence") else "x-precedence")
    suppressed = {each.strip().lower() for each in plain(headers.raw("x-auto-response-suppress")).split(",")}
    if suppressed & SUPPRESSING:
        return shown(headers, "x-auto-response-suppress")
    return next((shown(headers, name) for name in LISTS if headers.has(name)), None)


def shown(headers: Headers, name: str) -> str:
    """A header as it stands, cut short."""
    return f"{name.title()}: {one_line(plain(headers.raw(name)))[:80]}".rstrip(": ")


def machine(address: str) -> bool:
    """Whether an address is one from which mail servers write."""
    return MACHINES.match(address) is not None
