"""The language in which mails to customers are worded: plain text with `{{ names }}`, and nothing that could be run.

A line that names something which this mail does not know is left out; so a wording needs no conditions. A line that is a label,
a colon and an address of the web becomes a link under that label.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

NAMED: Final = re.compile(r"\{\{[ \t]*([A-Za-z]{1,40})[ \t]*\}\}")
FOREIGN: Final = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
LABELLED: Final = re.compile(r"(?P<label>.{1,100}?):[ \t]*(?P<url>\{\{[ \t]*link[ \t]*\}\}|https?://[^\s{}]+)[ \t]*")
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

Kind = Literal["say", "words", "open"]


@dataclass(frozen=True)
class Wording:
    """How one mail reads."""

    subject: str
    text: str


@dataclass(frozen=True)
class Block:
    """A part of a mail: something said, the words of a person as they wrote them, or a link."""

    kind: Kind
    text: str
    url: str = ""


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
    """A line taken apart. `url` makes it a link; that is judged before anything is filled in, so no customer can make one."""

    pieces: tuple[Piece, ...]
    url: tuple[Piece, ...] | None = None

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
            labelled = LABELLED.fullmatch(line)
            made[-1].append(
                Line(_pieces(labelled["label"].strip()), _pieces(labelled["url"])) if labelled else Line(_pieces(line))
            )
        elif made[-1]:
            made.append([])
    return tuple(tuple(paragraph) for paragraph in made if paragraph)


def _pieces(text: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for found in NAMED.finditer(text):
        pieces.append((text[at : found.start()], found[1]))
        at = found.end()
    return (*pieces, (text[at:], None))


def fill(text: str, values: Mapping[str, str]) -> list[Block]:
    """The wording with what is known put in, once: what is put in is never looked at again."""
    blocks: list[Block] = []
    for paragraph in paragraphs(text):
        said: list[str] = []
        for line in paragraph:
            filled = _filled(line.pieces, values)
            url = "" if line.url is None else _filled(line.url, values)
            if filled is None or url is None:
                continue
            if not url and line.verbatim is None:
                said.append(filled.rstrip())
                continue
            blocks += _said(said)
            said = []
            blocks.append(Block("open", filled, url) if url else Block("words", filled.strip("\n")))
        blocks += _said(said)
    return blocks


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
