"""What our own mail server found out about a sender (Authentication-Results, RFC 8601): only from it is that to be believed."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from domain.mail.headers import plain

RESULT: Final = re.compile(r"\s*(dmarc|dkim|spf)\s*=\s*([a-z]+)(.*)", re.DOTALL)
PROPERTY: Final = re.compile(r"(?<![a-z])([a-z]+\.[a-z0-9_-]+)\s*=\s*([^\s;]+)")


class Verdict(StrEnum):
    """Whether a mail comes from the domain that its From names."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


def verdict(values: Iterable[bytes], authority: str | None, domain: str) -> Verdict:
    """What `authority` found of a mail from `domain`; the topmost header of its counts, because it adds its own on top."""
    if not authority:
        return Verdict.UNKNOWN
    for value in values:
        server, *results = bare(plain(value).lower()).split(";")
        if server.split()[:1] == [authority.lower()]:
            return judged(results, domain.lower())
    return Verdict.UNKNOWN


def judged(results: list[str], domain: str) -> Verdict:
    """The verdict in the results of one server: DMARC says it all; else a signature or an envelope of the same domain does.

    Where none of them passes, one that fails is a denial.
    """
    found = Verdict.UNKNOWN
    for each in results:
        result = RESULT.match(each)
        if result is None:
            continue
        method, outcome = result[1], result[2]
        said = dict(PROPERTY.findall(result[3]))
        if method == "dmarc":
            about = said.get("header.from", domain)
            if outcome == "fail":
                return Verdict.FAILED
            if outcome == "pass" and about == domain:
                found = Verdict.PASSED
        elif outcome == "pass":
            signer = said.get("header.d") or said.get("header.i") if method == "dkim" else said.get("smtp.mailfrom")
            if signer and aligned(signer.rpartition("@")[2], domain):
                found = Verdict.PASSED
        elif outcome == "fail" and found is Verdict.UNKNOWN:
            found = Verdict.FAILED
    return found


def aligned(one: str, other: str) -> bool:
    """Whether two domains are the same, or one lies in the other."""
    return "." in one and "." in other and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))


def bare(text: str) -> str:
    """A header's value without comments, and without what stands in quotes: the sender can choose both."""
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and (quoted or depth):
            escaped = True
        elif quoted:
            quoted = character != '"'
        elif character == "(":
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif depth:
            continue
        elif character == '"':
            quoted = True
            kept.append("_")
        else:
            kept.append(character)
    return "".join(kept)
