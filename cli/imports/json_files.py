"""Objects out of JSON files of any size: one on each line, an array, or pages such as `{"tickets": [...]}`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import ijson

from cli.imports.model import Unreadable

LONGEST_GLANCE: Final = 1 << 20
"""How much of a first line is read to see whether the file has an object on each line."""
BOM: Final = b"\xef\xbb\xbf"

SUFFIXES: Final = (".json", ".jsonl", ".ndjson")

LISTS: Final = frozenset(
    (
        *("tickets", "users", "organizations", "groups", "ticket_fields"),
        *("metric_sets", "ticket_metrics", "comments", "ticket_comments"),
    )
)
"""What the pages of an API hold."""


class BadLine(Exception):
    """A line that is no JSON object."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def files(directory: Path, *names: str) -> list[Path]:
    """The files of a kind in a directory: `tickets.json`, `tickets-2.jsonl` …, in the order of their names."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.suffix.lower() in SUFFIXES
        and any(path.stem == name or path.stem.startswith((f"{name}-", f"{name}_", f"{name}.")) for name in names)
    )


def objects(path: Path, *names: str) -> Iterator[tuple[str, dict[str, Any] | BadLine]]:
    """Where each object stands, and the object. Of pages those under `names`. Raises Unreadable for what is no JSON at all."""
    try:
        yield from by_line(path, names) if has_lines(path) else streamed(path, names)
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path}: {error}") from error


def has_pages(path: Path) -> bool:
    """Whether a file holds answers of an API, in which there can be more than one kind of thing."""
    try:
        if not has_lines(path):
            return prefixes_of(path, ("tickets",)) == ["tickets.item"]
        with path.open("rb") as file:
            first = next((line for line in file if line.removeprefix(BOM).strip()), b"{}")
            return is_page(json.loads(first.removeprefix(BOM)))
    except (ijson.JSONError, ValueError):
        return False


def has_lines(path: Path) -> bool:
    """Whether the first line that says something is an object by itself."""
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(LONGEST_GLANCE), b""):
            text = line.removeprefix(BOM).strip()
            if text:
                try:
                    return isinstance(json.loads(text), dict)
                except ValueError:
                    return False
    return True


def by_line(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any] | BadLine]]:
    """An object, or a page of them, on each line; a line that is neither is told, and the next ones are read."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(BOM).strip()
            if not text:
                continue
            where = f"{path.name}:{number}"
            try:
                found = json.loads(text)
            except ValueError as error:
                yield where, BadLine(f"is not JSON: {error}")
                continue
            if not isinstance(found, dict):
                yield where, BadLine("is not an object")
                continue
            if is_page(found):
                pages = [found[name] for name in names if isinstance(found.get(name), list)]
                yield from numbered(where, (each for page in pages for each in page))
            else:
                yield where, found


def is_page(found: Mapping[str, Any]) -> bool:
    """Whether an object is an answer of the other desk's API, with lists of things, and not a thing itself."""
    return "id" not in found and any(isinstance(found.get(name), list) for name in LISTS)


def streamed(path: Path, names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any] | BadLine]]:
    """One array, pages, or objects over several lines each, without ever holding the whole."""
    for prefix in prefixes_of(path, names):
        with opened(path) as file:
            yield from numbered(path.name, ijson.items(file, prefix, multiple_values=True, use_float=True))


def prefixes_of(path: Path, names: tuple[str, ...]) -> list[str]:
    """Where the objects are: in the array that the file is, under `names` in pages, or one after the other."""
    with opened(path) as file:
        paged = False
        for prefix, event, value in ijson.parse(file, multiple_values=True):
            if (prefix, event) == ("", "start_array"):
                return ["item"]
            if (prefix, event, value) == ("", "map_key", "id") or (prefix, event) == ("", "end_map"):
                break
            if event == "start_array" and prefix in LISTS:
                paged = True
                break
    return [f"{name}.item" for name in names] if paged else [""]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file after its byte order mark."""
    with path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        yield file


def numbered(where: str, found: Iterable[Any]) -> Iterator[tuple[str, dict[str, Any] | BadLine]]:
    """Objects with their places, from 1 on."""
    for number, each in enumerate(found, 1):
        yield f"{where}#{number}", each if isinstance(each, dict) else BadLine("is not an object")
