"""SQLAlchemy statements compiled once to text, to be run on a psycopg connection where every microsecond counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString, cast

from sqlalchemy import Text, bindparam
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import Cast, ClauseElement

DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Statement:
    """A statement as a module constant: compiled at import, bound at call. Values are passed as they are (psycopg adapts them)."""

    def __init__(self, clause: ClauseElement) -> None:
        self.clause = clause
        compiled = clause.compile(dialect=DIALECT)
        constants = [name for name, value in compiled.params.items() if value is not None]
        if constants:
            raise ValueError(f"A statement compiled once takes only named parameters, not the constants {constants}.")
        self.text: LiteralString = cast("Any", str(compiled))


@dataclass(frozen=True)
class Bound:
    """A statement with its values, ready to be run: decisions hand these over as data, and one place runs them."""

    statement: Statement
    values: Mapping[str, Any]


def json_param(name: str) -> Cast[Any]:
    """A JSONB parameter that takes text already serialised (pydantic does that far faster than an adapter would)."""
    return sql_cast(bindparam(name, type_=Text()), JSONB)
