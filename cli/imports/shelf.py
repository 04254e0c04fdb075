"""Comments by ticket, in a database on disk that goes with the process: they may come in any order, and be more than memory holds."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any


class Shelf:
    """What lies ready for each ticket, in the order in which it came."""

    def __init__(self) -> None:
        # A database without a name is a private file that SQLite deletes when it is closed.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("create table comments (n integer primary key, ticket text, line text, content text)")

    def fill(self, comments: Iterable[tuple[str, str, Any]]) -> None:
        """Put comments in: ticket, where it stands, content."""
        rows = ((ticket, where, json.dumps(content)) for ticket, where, content in comments)
        self._database.executemany("insert into comments (ticket, line, content) values (?, ?, ?)", rows)
        self._database.execute("create index if not exists by_ticket on comments (ticket, n)")
        self._database.commit()

    def of(self, ticket: str) -> list[tuple[str, Any]]:
        """Where a ticket's comments stand, and what they are."""
        found = self._database.execute("select line, content from comments where ticket = ? order by n", (ticket,))
        return [(where, json.loads(content)) for where, content in found]

    def strangers(self, known: set[str]) -> Iterator[tuple[str, str]]:
        """Comments of tickets that are not known: ticket, where it stands."""
        for ticket, where in self._database.execute("select ticket, line from comments order by n"):
            if ticket not in known:
                yield ticket, where
