"""Mails from templates: one file per template says what is written, two kits say how it looks as text and as HTML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound
from markupsafe import Markup, escape

from domain.notifications.headlines import headline, worded
from domain.notifications.wording import Block
from notify.channel import Undeliverable

DIRECTORY: Final = Path(__file__).parent / "templates"
BLANK_LINES: Final = re.compile(r"\n{3,}")
URL: Final = re.compile(r"https?://[^\s<>\"'()\[\]]*[^\s<>\"'()\[\].,;:!?]")


@dataclass(frozen=True)
class Rendered:
    """A message as people read it."""

    subject: str
    text: str
    html: str


def render(template: str, facts: Mapping[str, Any]) -> Rendered:
    """The message of a template. Raises Undeliverable when there is none, or when it asks for a fact that is not known."""
    try:
        subject = headline(template, facts)
        text = (
            environment(html=False)
            .get_template(f"{template}.j2")
            .render(facts, layout="layout.txt", kit="kit.txt", title=subject)
        )
        html = (
            environment(html=True)
            .get_template(f"{template}.j2")
            .render(facts, layout="layout.html", kit="kit.html", title=subject)
        )
    except (KeyError, TemplateNotFound) as error:
        raise Undeliverable(f"There is no template {template!r}.") from error
    except (TemplateError, TypeError, ValueError) as error:
        raise Undeliverable(f"The template {template!r} cannot be filled ({type(error).__name__}).") from error
    return Rendered(subject, BLANK_LINES.sub("\n\n", text).strip() + "\n", html)


def letter(subject: str, blocks: Sequence[Block], footer: str) -> Rendered:
    """A mail that was worded in blocks."""
    facts = {"blocks": blocks, "footer": footer, "tenant": footer, "title": subject}
    text = environment(html=False).get_template("letter").render(facts, layout="layout.txt", kit="kit.txt")
    html = environment(html=True).get_template("letter").render(facts, layout="layout.html", kit="kit.html")
    return Rendered(subject, BLANK_LINES.sub("\n\n", text).strip() + "\n", html)


def lines(text: str, linked: bool = False) -> Markup:
    """Text in HTML, line for line, since some programs know of no other way to keep lines; `linked` makes addresses of the web
    links, which only what our own people write may do."""
    if not linked:
        made = str(escape(text))
    else:
        pieces, at = [], 0
        for found in URL.finditer(text):
            url = escape(found[0])
            pieces.append(f'{escape(text[at : found.start()])}<a href="{url}">{url}</a>')
            at = found.end()
        made = "".join((*pieces, escape(text[at:])))
    return Markup(made.replace("\n", "<br>\n"))  # noqa: S704


@cache
def environment(*, html: bool) -> Environment:
    """Where templates are looked up; in HTML every fact is escaped."""
    made = Environment(
        loader=FileSystemLoader(DIRECTORY),
        autoescape=html,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["worded"] = worded
    made.filters["lines"] = lines
    return made
