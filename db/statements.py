"""SQLAlchemy statements compiled once to text, to be run on a psycopg connection where every microsecond counts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Template
from typing import Any, Final, LiteralString, cast

from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import DictRow
from sqlalchemy import Text, bindparam
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import Cast, ClauseElement

DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]
PARAMETER: Final = re.compile(r"%\((\w+)\)s")
ESCAPED: Final = re.compile(r"%\((\w+)\)s|%%")


class Statement:
    """A statement as a module constant: compiled at import, bound at call. Values are passed as they are (psycopg adapts them).

    Several clauses are run as one. One that is `alone` sees what others of its transaction have written, and is never joined.
    """

    def __init__(self, *clauses: ClauseElement, alone: bool = False) -> None:
        self.clause = clauses[-1]
        self.alone = alone
        self._is(tuple(_compiled(clause) for clause in clauses))

    def _is(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)
        self.text: LiteralString = cast("Any", _as_one(self.pieces))
        self.raw, self.names = _numbered(self.text)


def composed(template: str, **pieces: str) -> str:
    """A statement's text with its `$pieces` put in. Both are constants of modules; what a caller has sent is a parameter."""
    return Template(template).substitute(pieces)


def _compiled(clause: ClauseElement) -> str:
    compiled = clause.compile(dialect=DIALECT)
    constants = [name for name, value in compiled.params.items() if value is not None]
    if constants:
        raise ValueError(f"A statement compiled once takes only named parameters, not the constants {constants}.")
    return str(compiled)


def _as_one(pieces: Sequence[str]) -> str:
    """Pieces that write, as one statement: what each references is checked at its end, so their order does not matter."""
    *before, last = pieces
    named = ", ".join(f"p{n} as ({piece})" for n, piece in enumerate(before))
    return f"with {named} {last}" if named else last


def _numbered(named: str) -> tuple[LiteralString, tuple[str, ...]]:
    """A statement as Postgres takes it, with the names of its parameters in their order."""
    names = tuple(dict.fromkeys(PARAMETER.findall(named)))
    number = {name: f"${n}" for n, name in enumerate(names, start=1)}
    return cast("Any", ESCAPED.sub(lambda found: number[found[1]] if found[1] else "%", named)), names


@dataclass(frozen=True)
class Bound:
    """A statement with its values, ready to be run: decisions hand these over as data, and one place runs them."""

    statement: Statement
    values: Mapping[str, Any]


async def run(
    connection: AsyncConnection[DictRow], statement: Statement, values: Mapping[str, Any]
) -> AsyncRawCursor[DictRow]:
    """Run a statement without psycopg's own search for parameters, which long statements pay anew each time."""
    cursor = AsyncRawCursor(connection)
    await cursor.execute(statement.raw, [values[name] for name in statement.names])
    return cursor


def joined(bounds: Sequence[Bound]) -> Bound:
    """The bounds as one: each statement that is run costs a decision as much as a rule does. Their parameters are kept apart."""
    values = {f"{n}_{name}": value for n, bound in enumerate(bounds) for name, value in bound.values.items()}
    return Bound(_joined(tuple(bound.statement for bound in bounds)), values)


@lru_cache(maxsize=256)
def _joined(statements: tuple[Statement, ...]) -> Statement:
    pieces = [PARAMETER.sub(rf"%({n}_\1)s", piece) for n, each in enumerate(statements) for piece in each.pieces]
    return _Joined(pieces)


class _Joined(Statement):
    """Statements that were compiled before, as one."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.alone = False
        self._is(pieces)


def json_param(name: str) -> Cast[Any]:
    """A JSONB parameter that takes text already serialised (pydantic does that far faster than an adapter would)."""
    return sql_cast(bindparam(name, type_=Text()), JSONB)
