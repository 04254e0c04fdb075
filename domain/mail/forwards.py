"""Whose mail was handed on: the first sender of what is forwarded, as far as it can be told."""

import re
from typing import Final

from domain.mail.headers import plain, read_headers
from domain.mail.mime import Part
from domain.mail.people import Person, people, read_people
from domain.mail.quotes import FORWARDED, FORWARDS, FROM, LONGEST_LINE, header_block

MOST_LINES: Final = 500
LINK: Final = re.compile(r"\[mailto:([^\]\s]+)\]|<mailto:([^>\s]+)>", re.IGNORECASE)


def forwarded_from(text: str, subject: str, letters: list[Part], raw: bytes) -> Person | None:
    """Who wrote what is forwarded: the only mail that is attached, or the one whose headers stand in the text."""
    if len(letters) == 1:
        content = letters[0].content(raw)[: 256 * 1024]
        headers, _ = read_headers(content, 0, len(content))
        return next(iter(people(headers.every("from"))), None)
    lines = [line[:LONGEST_LINE] for line in text.split("\n", MOST_LINES)[:MOST_LINES]]
    marked = FORWARDS.match(subject) is not None
    for place, line in enumerate(lines):
        marked = marked or FORWARDED.fullmatch(line) is not None
        quoted = re.match(r"[>\s]*", line)
        bare = line[quoted.end() :] if quoted else line
        found = FROM.match(bare)
        if marked and found is not None and header_block([each.lstrip("> ") for each in lines[place : place + 9]], 0):
            shown = LINK.sub(lambda link: f"<{link[1] or link[2]}>", found[2])
            return next(iter(read_people(plain(shown.encode()))), None)
    return None
