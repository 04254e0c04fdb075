"""What a stored file may be called, whatever its sender called it."""

import re
import unicodedata
from typing import Final

LONGEST_NAME: Final = 255
"""Bytes of UTF-8: what file systems take."""

LONGEST_READ: Final = 300
"""Characters at either end of a longer name that are looked at: putting accents in order takes quadratic time."""

LONGEST_ENDING: Final = 20
"""What follows the last dot and is kept when a name is cut short."""

NAMELESS: Final = "file"

PATH: Final = re.compile(r"[/\\]")

FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that no name may hold: control characters, halves of others, line breaks."""

TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Characters that turn the direction of writing: with them `gpj.exe` looks like an image."""


def clean_name(name: str) -> str:
    """`name` without folders, control characters and tricks of writing, at most 255 bytes; `file` when nothing is left."""
    last = " ".join(PATH.split(name)[-1].split())
    if len(last) > 2 * LONGEST_READ:
        last = last[:LONGEST_READ] + last[-LONGEST_READ:]
    kept = "".join(c for c in last if c not in TURNING and unicodedata.category(c) not in FORBIDDEN)
    clean = unicodedata.normalize("NFC", " ".join(kept.split())).strip(" .")
    return shortened(clean) or NAMELESS


def shortened(name: str) -> str:
    """`name` cut to what is allowed, its ending kept, and no character cut in two."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = dot + ending if stem and len(ending.encode()) <= LONGEST_ENDING else ""
    head = (stem if tail else name).encode()[: LONGEST_NAME - len(tail.encode())]
    return head.decode(errors="ignore").rstrip(" .") + tail


def ending(name: str) -> str:
    """What follows the last dot, in lower case; nothing for a name without one."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if stem and dot else ""
