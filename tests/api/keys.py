"""API keys for tests: made over HTTP, and calls with them."""

import uuid
from typing import Any

import httpx
import psycopg

from tests.api.front import Front


async def made(api: Front, role: str = "ADMIN", *scopes: str, who: str = "admin", **fields: Any) -> dict[str, Any]:
    """A new key with its record; without scopes it may do all that its role may."""
    body = {"name": f"Key {uuid.uuid4().hex[:8]}", "role": role} | ({"scopes": list(scopes)} if scopes else {})
    return await api.created(who, "/api/api-keys", body | fields)


async def call(api: Front, key: dict[str, Any] | str, method: str, path: str, **rest: Any) -> httpx.Response:
    """A request with a key."""
    clear = key if isinstance(key, str) else key["key"]
    headers = {"Authorization": f"Bearer {clear}", **rest.pop("headers", {})}
    return await api.http.request(method, path, headers=headers, **rest)


async def alter(api: Front, key: dict[str, Any], change: str) -> None:
    """What another process does to a key."""
    async with await psycopg.AsyncConnection.connect(api.settings.postgres.conninfo(), autocommit=True) as connection:
        await connection.execute("select set_config('summit.tenant', %s, false)", (str(api.seed.tenant_id),))
        await connection.execute(f"update api_keys set {change} where id = %s".encode(), (key["id"],))


def five_seconds_later(api: Front) -> None:
    """Have the process look at the database again, as it does after five seconds."""
    api.app.state.services.gate.keys.known.clear()
