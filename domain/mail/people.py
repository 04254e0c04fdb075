"""Who wrote a mail and to whom: the names and addresses of a header, however odd it is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from domain.mail.headers import LONGEST_TEXT, decode_words, one_line, plain

MOST_PEOPLE: Final = 500
"""What is read of one header; nobody writes to more people by hand."""

LONGEST_ADDRESS: Final = 254
LONGEST_NAME: Final = 200

PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|<[^<>]*>?|[,;:()]|[^"<>,;:()\\]+|\\.?|>', re.DOTALL)
DOMAIN: Final = re.compile(r"[^\s@.<>()\[\],;:\\\"]+(\.[^\s@.<>()\[\],;:\\\"]+)*|\[[0-9A-Fa-f.:IPv]+\]")


@dataclass(frozen=True)
class Person:
    """A name, which may be empty, and an address in lower case with its domain in the letters that people read."""

    name: str
    address: str


def people(values: list[bytes], hint: str | None = None) -> tuple[Person, ...]:
    """Everybody in headers such as To; groups count as their members, and what is no address is left out."""
    found: dict[str, Person] = {}
    for value in values:
        for person in read_people(plain(value, hint)):
            found.setdefault(person.address, person)
            if len(found) >= MOST_PEOPLE:
                return tuple(found.values())
    return tuple(found.values())


def read_people(text: str) -> Iterator[Person]:
    """The people of one header's value, in their order."""
    phrase: list[str] = []
    comment: list[str] = []
    address: str | None = None
    depth = 0
    for piece in (*PIECE.findall(text), ","):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
        elif depth:
            comment.append(piece)
        elif piece in ",;":
            person = made(phrase, comment, address)
            if person is not None:
                yield person
            phrase, comment, address = [], [], None
        elif piece == ":":
            phrase, comment, address = [], [], None  # the name of a group
        elif piece.startswith("<"):
            address = address or piece.strip("<>")
        elif piece != ">":
            phrase.append(piece)
    # A comment that never ends swallows what follows, as a mail program would have it.


def made(phrase: list[str], comment: list[str], address: str | None) -> Person | None:
    """A person put together; without brackets the phrase is the address, and a comment the name."""
    if address is not None:
        found = plain_address(address)
        name = "".join(phrase)
    else:
        found = plain_address("".join(phrase))
        name = "".join(comment)
    return Person(shown_name(name), found) if found else None


def shown_name(text: str) -> str:
    """A display name without its quotes, decoded; one that pretends to be an address or a header is only text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return one_line(decode_words(text[:LONGEST_TEXT])).strip("'\" ")[:LONGEST_NAME]


def plain_address(text: str) -> str | None:
    """An address as it is compared; None when it is none."""
    if "@" not in text and "=?" not in text:
        return None
    text = one_line(decode_words(text.strip()[:LONGEST_TEXT]))
    if text.lower().startswith("mailto:"):
        text = text[7:]
    if text.startswith("@") and ":" in text:
        text = text.rpartition(":")[2]  # a route of old
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > LONGEST_ADDRESS:
        return None
    if local[0] == local[-1] == '"' and len(local) > 2:
        inner = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = inner if re.fullmatch(r"[^\s@\"<>(),;:\\\[\]]+", inner) else f'"{inner}"'
        if '"' in inner or "\\" in inner:
            return None
    elif re.search(r"[\s\"<>(),;:\\\[\]@]", local):
        return None
    domain = readable_domain(domain.strip().rstrip(".").lower())
    return f"{local}@{domain}".lower() if domain and DOMAIN.fullmatch(domain) else None


def readable_domain(domain: str) -> str:
    """A domain in the letters that people read; as it came where it cannot be."""
    if "xn--" not in domain:
        return domain
    try:
        return domain.encode("ascii").decode("idna").lower()
    except UnicodeError:
        return domain
