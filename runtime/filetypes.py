"""What a file is, told by its first bytes and never by its sender; what a browser might run is told as bytes without a meaning."""

import codecs
from collections.abc import Mapping
from typing import Final

import puremagic

UNKNOWN: Final = "application/octet-stream"
TEXT: Final = "text/plain"
ZIP: Final = "application/zip"

SAFE: Final[Mapping[str, str]] = {
    **{
        kind: kind
        for kind in (
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/webp",
            "image/bmp",
            "image/tiff",
            "image/heic",
            "image/avif",
            "application/pdf",
            "application/gzip",
            "application/x-7z-compressed",
            "audio/mpeg",
            "audio/wav",
            "audio/ogg",
            "audio/flac",
            "video/mp4",
            "video/webm",
            "video/quicktime",
        )
    },
    ZIP: ZIP,
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "application/x-gzip": "application/gzip",
    "application/x-zip-compressed": ZIP,
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
}
"""Kinds that no browser runs, under the names that we use for them. HTML, SVG, XML and scripts are not among them, and stay away."""

OFFICE: Final[Mapping[str, str]] = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
}
"""Archives whose ending says what program opens them; nothing here ever looks into one."""

ARCHIVE: Final = b"PK\x03\x04"

PLAIN: Final = frozenset(
    {"txt", "text", "log", "csv", "tsv", "md", "ini", "cfg", "conf", "yml", "yaml", "patch", "diff"}
)
"""Endings of texts that no browser runs."""

CONTROL: Final = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")


def content_type(head: bytes, ending: str) -> str:
    """The kind of a file that begins with `head` and whose name has this ending (lower case, without its dot)."""
    if head.startswith(ARCHIVE):
        return OFFICE.get(ending, ZIP)
    try:
        found = puremagic.from_string(head, mime=True)
    except (ValueError, puremagic.PureError):
        found = ""
    if found in SAFE:
        return SAFE[found]
    return TEXT if ending in PLAIN and is_text(head) else UNKNOWN


def is_text(head: bytes) -> bool:
    """Whether this is UTF-8 as people write it, and not markup."""
    if CONTROL.intersection(head) or head.lstrip(b"\xef\xbb\xbf \t\r\n\f\v").startswith(b"<"):
        return False
    try:
        # The last character may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
