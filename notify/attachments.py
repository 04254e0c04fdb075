"""Files in a mail: in base64, under names that every program can read and none can be harmed by."""

import re
from base64 import encodebytes
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from notify.channel import File
from notify.headers import head, one_line

LONGEST_NAME: Final = 120
PIECE: Final = 60
"""So many characters of an encoded name stand on a line."""

TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")
UNKNOWN: Final = "application/octet-stream"
SIMPLE_NAME: Final = re.compile(r"[A-Za-z0-9 ._()+,=@-]{1,60}")


def mixed(boundary: str, letter: bytes, files: Sequence[File]) -> bytes:
    """A letter, a part with headers of its own, and the files that come with it."""
    between = f"\r\n--{boundary}\r\n".encode()
    written = (between + part for part in (letter, *map(attached, files)))
    return b"".join((*written, f"\r\n--{boundary}--\r\n".encode()))


def attached(file: File) -> bytes:
    """A file as a part."""
    headers = {
        "Content-Type": media_type(file.type),
        "Content-Transfer-Encoding": "base64",
        "Content-Disposition": "attachment;\r\n " + ";\r\n ".join(named(file_name(file.name))),
    }
    return head(headers) + encodebytes(file.content).replace(b"\n", b"\r\n")


def media_type(stored: str) -> str:
    """What a file is. Whole messages may not stand in base64, and what is no type of a file is none."""
    plain = stored.partition(";")[0].strip().lower()
    return plain if TYPE.fullmatch(plain) and not plain.startswith(("multipart/", "message/")) else UNKNOWN


def file_name(stored: str) -> str:
    """A name that is one, on one line and not too long; what it ends with is kept."""
    name = one_line(stored).replace("/", "_").replace("\\", "_").lstrip("<. ")
    if len(name) > LONGEST_NAME:
        stem, dot, end = name.rpartition(".")
        end = dot + end if stem and len(end) <= 10 else ""
        name = name[: LONGEST_NAME - len(end)] + end
    return name or "file"


def named(name: str) -> Iterator[str]:
    """The parameters that say the name: as it stands where that is possible, else as RFC 2231 has it, in pieces."""
    if SIMPLE_NAME.fullmatch(name):
        yield f'filename="{name}"'
        return
    encoded = quote(name.encode(), safe="")
    pieces: list[str] = []
    while encoded:
        end = PIECE if len(encoded) > PIECE else len(encoded)
        while "%" in encoded[max(end - 2, 0) : end] and end < len(encoded):  # no escape is torn apart
            end -= 1
        pieces.append(encoded[:end])
        encoded = encoded[end:]
    if len(pieces) == 1:
        yield f"filename*=utf-8''{pieces[0]}"
        return
    for number, piece in enumerate(pieces):
        yield f"filename*{number}*={'utf-8' + chr(39) * 2 if number == 0 else ''}{piece}"
