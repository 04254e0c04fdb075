"""Which errors say that Postgres cannot answer now, and which that it never will."""

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout


def is_away(error: Exception) -> bool:
    """Whether the database, not our SQL, is at fault. Deadlocks and cancelled statements may be repeated too."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _itself(error.orig)
    return isinstance(error, PoolTimeout | OSError) or _itself(error)


def _itself(error: BaseException | None) -> bool:
    """The same for an error of the driver. What is too large or too complex for the server stays so."""
    away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return away and not exceeds(error)


def exceeds(error: BaseException | None) -> bool:
    """Whether it says that a limit of the server's own is exceeded (class 54)."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")
