"""Files as tests upload and read them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from tests.api.front import uploaded
from tests.api.tickets.office import Office, fresh, path

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(200))


def some_bytes(size: int = 1000) -> bytes:
    """Content that no other test has."""
    return os.urandom(size)


async def upload(office: Office, ticket: Mapping[str, Any], who: str = "agent", **rest: Any) -> httpx.Response:
    return await office.call(who, "POST", path(ticket) + "/attachments", **rest)


async def given(office: Office, ticket: Mapping[str, Any] | None, who: str = "agent", **file: Any) -> dict[str, Any]:
    return await uploaded(office.front, who, ticket["id"] if ticket else None, **{"content": some_bytes(), **file})


async def got(office: Office, file: Mapping[str, Any], who: str = "agent", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await office.call(who, "GET", f"/api/attachments/{file['id']}", headers=named)


def stored(office: Office) -> set[str]:
    """Every file in the store, finished or not."""
    return {file.name for file in Path(office.front.settings.files_dir).rglob("*") if file.is_file()}


async def another_customer(office: Office) -> dict[str, Any]:
    """A customer of no account: what to pass for a token of theirs."""
    body = {"email": f"{fresh()}@elsewhere.example", "name": "Chris", "role": "CUSTOMER"}
    return {"user_id": UUID((await office.front.created("admin", "/api/users", body))["id"])}
