"""The text of an HTML mail: its lines as a reader sees them, quotes behind `>`. It reads each character once, whatever the input.

The standard library's parser takes quadratic time over what senders of bad intent can write, and refuses some declarations.
"""

import re
from collections.abc import Iterator
from html import unescape as unescape_all
from typing import Final

LONGEST: Final = 1024 * 1024
"""Characters of HTML that are read; nobody reads on."""

LONGEST_TAG: Final = 2_000
DEEPEST_QUOTE: Final = 10

HISTORY: Final = "\ue000"
"""A line of this alone stands where a mail program has marked the conversation so far."""

NAME: Final = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]*)")
ATTRIBUTE: Final = re.compile(r"""(?<![a-zA-Z-])([a-zA-Z-]{1,40})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
SPACE: Final = re.compile(r"[ \t\r\n\f\v]+")
NUMBER: Final = re.compile("&#0*([0-9]{1,8})[0-9]*")

UNSEEN: Final = frozenset({"script", "style", "title", "template", "head"})
LINES: Final = re.compile(
    "address|article|aside|body|center|dd|div|dl|dt|fieldset|figure|footer|form|header|html|li|main|nav|ol|section|table"
    "|tbody|tfoot|thead|tr|ul"
)
PARAGRAPHS: Final = frozenset({"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre"})

QUOTES: Final = re.compile(
    r"gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|zmail_quote|divrplyfwdmsg|appendonsend"
    r"|mail-editor-reference-message|outlookmessageheader|wordsection1_quote|tutanota_quote|airmail_ext|gwprintquote"
)
"""Classes and ids with which mail programs mark what they quote."""


class Page:
    """Lines as they come about."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.quotes = 0
        self.pre = 0
        self.hidden: str | None = None
        self.links: list[tuple[str, int]] = []

    def say(self, text: str) -> None:
        """Text between tags."""
        if self.hidden is not None:
            return
        text = unescape(text).replace("\xa0", " ").replace("\u200b", "")
        if self.pre:
            first, *rest = text.replace("\r\n", "\n").split("\n")
            self.line.append(first)
            for each in rest:
                self.end_line()
                self.line.append(each)
            return
        text = SPACE.sub(" ", text)
        if text == " " and not self.line:
            return
        self.line.append(text)

    def end_line(self, *, always: bool = True) -> None:
        """Begin another line; unless `always`, only if there is something in this one."""
        text = "".join(self.line)
        text = text.rstrip() if self.pre else SPACE.sub(" ", text).strip()
        if text or always:
            self.lines.append("> " * min(self.quotes, DEEPEST_QUOTE) + text)
        self.line.clear()

    def leave_blank(self) -> None:
        """Have an empty line before what comes."""
        self.end_line(always=False)
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append(("> " * min(self.quotes, DEEPEST_QUOTE)).rstrip())

    def tag(self, closing: bool, name: str, rest: str) -> None:
        """One tag."""
        if self.hidden is not None:
            # A body ends a head that was never closed.
            if (closing and name == self.hidden) or name == "body":
                self.hidden = None
            return
        if name in UNSEEN:
            self.hidden = None if closing else name
        elif name == "br":
            self.end_line()
        elif name == "a":
            self.link(closing, rest)
        elif name == "img" and not closing:
            alt = attributes(rest).get("alt", "").strip()
            if alt:
                self.line.append(f"[{alt}]")
        elif name in ("td", "th") and closing:
            self.line.append(" ")
        elif name in PARAGRAPHS:
            self.paragraph(closing, name)
        elif LINES.fullmatch(name):
            self.end_line(always=False)
        if name == "li" and not closing:
            self.line.append("- ")
        if not closing and name in ("div", "blockquote", "span") and quoting(rest):
            self.end_line(always=False)
            self.lines.append(HISTORY)

    def paragraph(self, closing: bool, name: str) -> None:
        """A paragraph begins or ends."""
        if name == "blockquote":
            self.end_line(always=False)
            self.quotes = max(0, self.quotes + (-1 if closing else 1))
        else:
            self.leave_blank()
        if name == "pre":
            self.pre = max(0, self.pre + (-1 if closing else 1))

    def link(self, closing: bool, rest: str) -> None:
        """A link: its address stands behind its text, unless that says the same."""
        if not closing:
            target = attributes(rest).get("href", "").strip()
            self.links.append((target, len(self.line)))
            del self.links[:-20]
        elif self.links:
            target, place = self.links.pop()
            shown = "".join(self.line[place:]).strip()
            same = target.removeprefix("mailto:").rstrip("/")
            if (
                target.startswith(("http://", "https://"))
                and shown
                and same not in (shown.rstrip("/"), f"http://{shown}")
            ):
                self.line.append(f" <{target[:1000]}>")


def html_text(html: str) -> str:
    """What a reader of the HTML sees."""
    page = Page()
    for text, closing, name, rest in tokens(html[:LONGEST]):
        if text:
            page.say(text)
        if name:
            page.tag(closing, name, rest)
    page.end_line(always=False)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(page.lines)).strip("\n")


def tokens(html: str) -> Iterator[tuple[str, bool, str, str]]:
    """Text, and the tag behind it: whether it closes, its name, and what else it says."""
    place = begin = 0
    closes, comments = -1, True
    while (found := html.find("<", place)) >= 0:
        if closes <= found:
            closes = html.find(">", found)
            if closes < 0:
                break
        tag = NAME.match(html, found + 1)
        hides = html.find("-->", found + 4) if comments and html.startswith("<!--", found) else -1
        # A comment that never ends hides nothing: the mail is somebody's, and wants to be read.
        comments = comments and (hides >= 0 or not html.startswith("<!--", found))
        if hides >= 0:
            yield html[begin:found], False, "", ""
            place = begin = hides + 3
        elif tag is not None:
            yield html[begin:found], tag[1] == "/", tag[2].lower(), html[tag.end() : min(closes, found + LONGEST_TAG)]
            place = begin = closes + 1
        elif html[found + 1 : found + 2] in ("!", "?", "/"):
            yield html[begin:found], False, "", ""
            place = begin = closes + 1
        else:
            place = found + 1
    yield html[begin:], False, "", ""


def unescape(text: str) -> str:
    """`text` with its references replaced. A number too long for any character is cut: Python refuses to read thousands of digits."""
    return unescape_all(NUMBER.sub(r"&#\1", text) if "&#" in text else text)


def attributes(rest: str) -> dict[str, str]:
    """A tag's attributes."""
    return {name.lower(): unescape(a or b or c) for name, a, b, c in ATTRIBUTE.findall(rest)}


def quoting(rest: str) -> bool:
    """Whether a tag begins what a mail program quotes."""
    if "class" not in rest and "id" not in rest:
        return False
    found = attributes(rest)
    return QUOTES.search(f"{found.get('class', '')} {found.get('id', '')}".lower()) is not None
