"""Exports of Zendesk as tests write and read them."""

from pathlib import Path
from typing import Any

from cli.imports.model import OldTicket
from cli.imports.zendesk import Zendesk
from tests.imports.exports import lines, organizations, users

SLUG = "desk"


def export(directory: Path, *tickets: dict[str, Any], **files: list[dict[str, Any]]) -> Path:
    """A small export."""
    given = {"users": list(users(SLUG)), "organizations": list(organizations(SLUG)), "groups": [], **files}
    for name, things in given.items():
        lines(directory / f"{name}.json", iter(things))
    lines(directory / "tickets.json", iter(tickets))
    return directory


def read(path: Path) -> list[Any]:
    """The tickets of an export, in its order."""
    return [found for _, found in Zendesk(path, "zendesk").tickets()]


def one(directory: Path, given: dict[str, Any], **files: list[dict[str, Any]]) -> OldTicket:
    """The only ticket of an export."""
    [found] = read(export(directory, given, **files))
    assert isinstance(found, OldTicket), found
    return found
