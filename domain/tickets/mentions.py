"""Who is meant by an @ in an internal note: a colleague's address, or the part of it before the @."""

import re
from typing import Final

MENTION: Final = re.compile(r"(?<![\w.@])@([A-Za-z0-9][A-Za-z0-9._+-]*(?:@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)?)")
MOST: Final = 20
"""A note that names more people than this means everybody, and tells the first."""


def mentioned(text: str) -> tuple[str, ...]:
    """The names after each @, in lower case and without the full stop of a sentence, each once: `ada` or `ada@example.com`."""
    found = (match[1].rstrip(".-_").lower() for match in MENTION.finditer(text))
    return tuple(dict.fromkeys(name for name in found if name))[:MOST]
