"""The language in which mails to customers are worded: plain text with `{{ names }}`, and nothing that could be run.

A line that names something which this mail does not know is left out; so a wording needs no conditions. A line that is a label,
a colon and an address of the web becomes a link under that label; one that ends with `{{ survey }}` becomes a question with its
answers to choose from.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

NAMED: Final = re.compile(r"\{\{[ \t]*([A-Za-z]{1,40})[ \t]*\}\}")
ASKING: Final = re.compile(r"(?P<label>.{1,200}?)[ \t]*\{\{[ \t]*(?P<name>survey)[ \t]*\}\}[ \t]*")
FOREIGN: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
LABELLED: Final = re.compile(r"(?P<label>.{1,100}?):[ \t]*(?P<url>\{\{[ \t]*link[ \t]*\}\}|https?://[^\s{}]+)[ \t]*")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

CHOICES: Final = "survey"
"""The name that stands for links to choose from."""

Kind = Literal["say", "words", "open", "choose"]
Choices = tuple[tuple[str, str], ...]
"""Labels and where they lead."""


@dataclass(frozen=True)
class Wording:
    """How one mail reads."""

    subject: str
    text: str


@dataclass(frozen=True)
class Block:
    """A part of a mail: something said, the words of a person as they wrote them, a link, or a question with its answers."""

    kind: Kind
    text: str
    url: str = ""
    choices: Choices = ()


@dataclass(frozen=True)
class Fault:
    """Something that cannot stand in a wording."""

    code: str
    detail: str


def faults(
    text: str, known: Collection[str], needed: Collection[str] = (), *, one_line: bool = False
) -> Iterator[Fault]:
    """Everything that is wrong with a wording, each unknown name once; `needed` are names that it must say."""
    names = dict.fromkeys(NAMED.findall(text))
    for name in names:
        if name not in known:
            yield Fault("placeholder", f"{{{{ {name} }}}} is not known here; known are {', '.join(sorted(known))}")
    for name in needed:
        if name not in names:
            yield Fault("missing", f"must say {{{{ {name} }}}}")
    if CHOICES in names and any(
        f"{{{{{CHOICES}" in line.replace(" ", "") and not ASKING.fullmatch(line) for line in text.split("\n")
    ):
        yield Fault("placement", f"{{{{ {CHOICES} }}}} must stand at the end of a line that asks something")
    for left in dict.fromkeys(FOREIGN.findall(NAMED.sub("", text))):
        yield Fault("syntax", f"{left} means nothing; only names such as {{{{ number }}}} are filled in")
    if CONTROL.search(text) or (one_line and "\n" in text):
        yield Fault("control_character", "must be without control characters" + (", on one line" if one_line else ""))
    if not text.strip():
        yield Fault("blank", "must not be blank")


Piece = tuple[str, str | None]
"""What stands before a name, and the name; nothing at the end of a line."""


@dataclass(frozen=True)
class Line:
    """A line taken apart. What makes it a link or a question is judged before anything is filled in, so no customer can."""

    pieces: tuple[Piece, ...]
    url: tuple[Piece, ...] | None = None
    asks: bool = False

    @property
    def verbatim(self) -> str | None:
        """The name that has the line for itself and keeps its form."""
        alone = len(self.pieces) == 2 and self.pieces[0][0].strip() == self.pieces[1][0].strip() == ""
        return self.pieces[0][1] if alone and self.pieces[0][1] in VERBATIM else None


VERBATIM: Final = frozenset({"comment"})
"""Names that stand for what somebody wrote."""


@lru_cache(maxsize=512)
def paragraphs(text: str) -> tuple[tuple[Line, ...], ...]:
    """A wording taken apart once, into paragraphs of lines."""
    made: list[list[Line]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip():
            made[-1].append(_line(line))
        elif made[-1]:
            made.append([])
    return tuple(tuple(paragraph) for paragraph in made if paragraph)


def _line(text: str) -> Line:
    if found := ASKING.fullmatch(text):
        return Line(_pieces(found["label"].strip()), asks=True)
    if found := LABELLED.fullmatch(text):
        return Line(_pieces(found["label"].strip()), _pieces(found["url"]))
    return Line(_pieces(text))


def _pieces(text: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for found in NAMED.finditer(text):
        pieces.append((text[at : found.start()], found[1]))
        at = found.end()
    return (*pieces, (text[at:], None))


def fill(text: str, values: Mapping[str, str], choices: Choices = ()) -> list[Block]:
    """The wording with what is known put in, once: what is put in is never looked at again."""
    blocks: list[Block] = []
    for paragraph in paragraphs(text):
        said: list[str] = []
        for line in paragraph:
            filled = _filled(line.pieces, values)
            url = "" if line.url is None else _filled(line.url, values)
            if filled is None or url is None or (line.asks and not choices):
                continue
            if not url and not line.asks and line.verbatim is None:
                said.append(filled.rstrip())
                continue
            blocks += _said(said)
            said = []
            blocks.append(_apart(line, filled, url, choices))
        blocks += _said(said)
    return blocks


def _apart(line: Line, filled: str, url: str, choices: Choices) -> Block:
    if line.asks:
        return Block("choose", filled, choices=choices)
    return Block("open", filled, url) if url else Block("words", filled.strip("\n"))


def fill_line(text: str, values: Mapping[str, str]) -> str:
    """A wording of one line; what is not known leaves nothing."""
    return NAMED.sub(lambda found: values.get(found[1], ""), text)


def _filled(pieces: tuple[Piece, ...], values: Mapping[str, str]) -> str | None:
    filled: list[str] = []
    for before, name in pieces:
        filled.append(before)
        if name is not None:
            value = values.get(name)
            if not value:
                return None
            filled.append(value)
    return "".join(filled)


def _said(lines: list[str]) -> list[Block]:
    return [Block("say", "\n".join(lines))] if lines else []
