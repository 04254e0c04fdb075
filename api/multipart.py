"""A form with one file, taken apart while it comes in: its content goes on piece by piece and is never gathered here."""

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from domain.files import clean_name
from domain.process import Invalid

FIELD: Final = "file"
MOST_PARTS: Final = 20
"""A form with more of them is not read to its end."""

EXTENDED: Final = re.compile(r"filename\*=utf-8''([^;\s\"]+)", re.IGNORECASE)
"""A name as RFC 5987 writes it, which forms should not use and some clients do."""

ESCAPES: Final = {"%22": '"', "%0D": "\r", "%0A": "\n"}
"""What browsers escape in names, and nothing else."""


class BadUpload(Invalid):
    """The form is not one with exactly one file that holds something."""

    def __init__(self, *errors: dict[str, str]) -> None:
        super().__init__("The upload must be a form with one file.", list(errors))


def wrong(pointer: str, code: str, detail: str) -> dict[str, str]:
    """One thing that is wrong with a form."""
    return {"pointer": pointer, "code": code, "detail": detail}


CUT_OFF: Final = wrong("", "unreadable", "The form ends too early, or is no form.")


class Form:
    """A multipart form being read. Everything that is wrong with it is told at its end, when all of it is known."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadUpload(wrong("", "content_type", "must be multipart/form-data with a boundary"))
        self.errors: list[dict[str, str]] = []
        self.file_name: str | None = None
        self.size = 0
        self.ended = False
        self._parts = 0
        self._taking = False
        self._headers: dict[str, str] = {}
        self._header = [b"", b""]
        self._pieces: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header_continues(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_continues(1, data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise BadUpload(CUT_OFF) from error

    def feed(self, data: bytes) -> list[bytes]:
        """What `data` holds of the file. Raises BadUpload when it is no form."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadUpload(CUT_OFF) from error
        if self._parts > MOST_PARTS:
            raise BadUpload(*self.errors)
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """Look at what has come. Raises BadUpload."""
        if not self.ended:
            raise BadUpload(CUT_OFF)
        if self.file_name is None:
            self.errors.append(wrong(f"/{FIELD}", "missing", "is missing"))
        elif not self.size:
            self.errors.append(wrong(f"/{FIELD}", "empty", "must not be empty"))
        if self.errors:
            raise BadUpload(*self.errors)

    def _part_begins(self) -> None:
        self._parts += 1
        self._headers = {}
        self._taking = False

    def _header_continues(self, side: int, data: bytes) -> None:
        self._header[side] += data

    def _header_ends(self) -> None:
        name, value = (each.decode("latin-1") for each in self._header)
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _headers_end(self) -> None:
        written = self._headers.get("content-disposition", "")
        options = parse_options_header(written)[1]
        field = options.get(b"name", b"").decode(errors="replace")
        pointer = "/" + field.replace("~", "~0").replace("/", "~1")[:100]
        name = named(written, options.get(b"filename"))
        if field != FIELD:
            self.errors.append(wrong(pointer, "extra_forbidden", "is not known"))
        elif name is None:
            self.errors.append(wrong(pointer, "file", "must be a file, with its name"))
        elif self.file_name is not None:
            self.errors.append(wrong(pointer, "too_many", "must be given once"))
        else:
            self.file_name = name
            self._taking = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._taking:
            self.size += end - start
            self._pieces.append(data[start:end])

    def _end(self) -> None:
        self.ended = True


def named(disposition: str, plain: bytes | None) -> str | None:
    """The cleaned name of a file; None for a part that is none."""
    extended = EXTENDED.search(disposition)
    raw = unquote_to_bytes(extended[1]) if extended else plain
    if raw is None:
        return None
    name = raw.decode(errors="replace")
    if not extended:
        for written, meant in ESCAPES.items():
            name = name.replace(written, meant)
    return clean_name(name)


async def content_of(form: Form, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content of the form's file. Raises BadUpload, at the end for what is wrong with the form as a whole."""
    async for data in body:
        for piece in form.feed(data):
            yield piece
    form.finish()
