"""HTML that a sanitizer reads in no time: cut, each tag closed where it should be, and little of it in one another.

Parsers of browsers repair what is nested wrongly by making it again and again; a few kilobytes can become millions of elements.
"""

from collections.abc import Set
from html import escape
from typing import Final

from domain.mail.html import UNSEEN, attributes, tokens, unescape

LONGEST: Final = 256 * 1024
"""Characters that are shown; the mail as it came has the rest."""

MOST_PIECES: Final = 5_000
"""Tags, references and what has to be one. Large newsletters have a few thousand."""

DEEPEST: Final = 60
"""Elements in one another; newsletters have a few dozen."""

DEEPEST_STYLE: Final = 8
"""Those of them that change how text looks: what is nested wrongly is made again with all of these."""

MOST_ATTRIBUTES: Final = 12

EMPTY: Final = frozenset({"br", "hr", "wbr", "col", "img"})
STYLES: Final = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
CUT: Final = "<p>[…]</p>"


def shallow(html: str, allowed: Set[str]) -> str:
    """`html` with no tags but the allowed ones. Text is escaped, attributes are quoted; whether they are harmless is not looked at."""
    page = Shallow(allowed)
    for text, closing, name, rest in tokens(html[:LONGEST]):
        if not page.say(text):
            return page.end() + CUT
        if name:
            page.tag(closing, name, rest)
    return page.end() + (CUT if len(html) > LONGEST else "")


class Shallow:
    """A page as it comes about."""

    def __init__(self, allowed: Set[str]) -> None:
        self.allowed = allowed
        self.shown: list[str] = []
        self.open: list[str] = []
        self.styles = 0
        self.hidden: str | None = None
        self.pieces = 0

    def say(self, text: str) -> bool:
        """Text before a tag; whether there is room for both."""
        self.pieces += 1 + text.count("&")
        if self.pieces > MOST_PIECES:
            return False
        if text and self.hidden is None:
            # The characters themselves: a reference costs its reader a hundred times as much.
            text = unescape(text)
            self.pieces += text.count("&") + text.count("<")
            if self.pieces > MOST_PIECES:
                return False
            self.shown.append(text.replace("&", "&amp;").replace("<", "&lt;"))
        return True

    def tag(self, closing: bool, name: str, rest: str) -> None:
        """One tag."""
        if self.hidden is not None:
            if (closing and name == self.hidden) or name == "body":
                self.hidden = None
        elif name in UNSEEN:
            self.hidden = None if closing else name
        elif name in self.allowed:
            if closing:
                self.close(name)
            elif len(self.open) < DEEPEST and (name not in STYLES or self.styles < DEEPEST_STYLE):
                self.begin(name, rest)

    def begin(self, name: str, rest: str) -> None:
        """Open an element."""
        given = list(attributes(rest).items())[:MOST_ATTRIBUTES]
        tag = "".join((f"<{name}", *(f' {key}="{escape(value)}"' for key, value in given), ">"))
        self.pieces += tag.count("&")
        self.shown.append(tag)
        if name not in EMPTY:
            self.open.append(name)
            self.styles += name in STYLES

    def close(self, name: str) -> None:
        """Close an element and all that is open in it, if it is open."""
        while name in self.open:
            last = self.open.pop()
            self.styles -= last in STYLES
            self.shown.append(f"</{last}>")
            if last == name:
                return

    def end(self) -> str:
        """All of it."""
        return "".join((*self.shown, *(f"</{name}>" for name in reversed(self.open))))
