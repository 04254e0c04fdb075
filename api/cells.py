"""Rows of a list as cells of a table: which columns a view has, and each value as text that no spreadsheet runs."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

DEEPEST: Final = 4
MOST_FOUND: Final = 100
"""Columns that one free-form object of a list gets; what it holds beyond them shares a column."""

DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so may be run as a formula (OWASP: CSV injection)."""
SPLIT: Final = r"""([;|\t\r\n][ "]*)"""
"""Where a cell may begin within a text: a quote that does not follow the separator is none, so in a table whose spreadsheet
takes another separator than the comma, quotes protect neither that separator nor a line break."""
FORMULA: Final = re.compile(SPLIT + "(?==)")
FORMULA_OR_SIGN: Final = re.compile(SPLIT + "(?=[-+=@])")
CALL: Final = re.compile(r"[(!]|'#")
"""Without one of these in its line a formula calls no function and reaches no other program or file. So what begins with a sign
stays as it was written in lists, signatures and mentions."""
LINE: Final = re.compile(r"[\r\n]*[^\r\n]*")
NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Path = tuple[str, ...]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One member of a view; `free` ones are objects whose members no schema names."""

    path: Path
    free: bool = False

    @property
    def name(self) -> str:
        """The heading."""
        return ".".join(self.path)

    def of(self, row: Row) -> Any:
        """The member of a row; None where it is missing."""
        value: Any = row
        for step in self.path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value


def columns(view: type[BaseModel]) -> list[Column]:
    """The columns of a view in the order of its fields, nested objects flattened."""
    schema = view.model_json_schema(mode="serialization", by_alias=True)
    return list(dict.fromkeys(_columns(schema, schema.get("$defs", {}), ())))


def _columns(schema: Row, known: Row, path: Path) -> Iterator[Column]:
    shapes = list(_shapes(schema, known))
    objects = [shape for shape in shapes if shape.get("type") == "object"]
    if not path or (objects and len(objects) == len(shapes) and len(path) < DEEPEST):
        named = [shape["properties"] for shape in objects if shape.get("properties")]
        if path and len(named) < len(objects):
            yield Column(path, free=True)
            return
        for properties in named:
            for name, member in properties.items():
                yield from _columns(member, known, (*path, name))
    else:
        yield Column(path)


def _shapes(schema: Row, known: Row) -> Iterator[Row]:
    """What a value may be, references resolved and null left out."""
    if "$ref" in schema:
        yield from _shapes(known[schema["$ref"].rpartition("/")[2]], known)
    elif choices := schema.get("anyOf") or schema.get("oneOf"):
        for choice in choices:
            yield from _shapes(choice, known)
    elif schema.get("type") != "null":
        yield schema


@dataclass(frozen=True)
class Heading:
    """The columns of one table: those of the view, and those that the first rows have in their free-form objects."""

    columns: Sequence[Column]
    found: Mapping[Path, Sequence[str]]

    @classmethod
    def over(cls, columns: Sequence[Column], rows: Iterable[Row]) -> "Heading":
        """The heading of a table that begins with `rows`."""
        found: dict[Path, dict[str, None]] = {column.path: {} for column in columns if column.free}
        for row in rows:
            for column in columns:
                if column.free:
                    found[column.path].update(dict.fromkeys(flat(column.of(row))))
        return cls(columns, {path: list(names)[:MOST_FOUND] for path, names in found.items()})

    def titles(self) -> list[str]:
        """The first line. Behind the members of a free-form object comes the object itself, for the members that got no column."""
        return [guarded(title) for column in self.columns for title in self._titles(column)]

    def _titles(self, column: Column) -> list[str]:
        return [f"{column.name}.{name}" for name in self.found.get(column.path, ())] + [column.name]

    def cells(self, row: Row) -> list[str]:
        """One line."""
        return [text for column in self.columns for text in self._cells(column, column.of(row))]

    def _cells(self, column: Column, value: Any) -> list[str]:
        if not column.free:
            return [cell(value)]
        members = flat(value)
        cells = [cell(members.pop(name, None)) for name in self.found[column.path]]
        return [*cells, cell(members or None)]


def flat(value: Any, depth: int = 0) -> dict[str, Any]:
    """The members of a free-form object, those of objects within it under dotted names."""
    members: dict[str, Any] = {}
    for name, member in value.items() if isinstance(value, Mapping) else ():
        if isinstance(member, Mapping) and member and depth < DEEPEST:
            members |= {f"{name}.{inner}": each for inner, each in flat(member, depth + 1).items()}
        else:
            members[name] = member
    return members


def cell(value: Any) -> str:
    """A value as text: lists joined, what is still an object as JSON."""
    return guarded("; ".join(map(plain, value)) if isinstance(value, list) else plain(value))


def plain(value: Any) -> str:
    """A single value as text, unguarded."""
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def guarded(text: str) -> str:
    """`text`, with an apostrophe wherever a spreadsheet would take what follows for a formula."""
    if NUMBER.fullmatch(text):
        return text
    inside = "".join(map(_guarded_line, LINE.findall(text))) if FORMULA_OR_SIGN.search(text) else text
    return f"'{inside}" if text.startswith(DANGEROUS) else inside


def _guarded_line(line: str) -> str:
    return (FORMULA_OR_SIGN if CALL.search(line) else FORMULA).sub(r"\1'", line)
