"""Writing records over HTTP: repeats under an Idempotency-Key get the first answer, stale copies are refused."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from uuid_utils import compat

from api.auth import Caller
from api.constraints import UnknownReference
from api.dependencies import App, IdempotencyKey, Principal, Session
from api.errors import Unavailable
from api.responses import reply
from db.answers import earlier, keep, reserve
from db.references import References, unknown
from domain.process import KeyReused, Stale

LONGEST_PATH: Final = 500

KEPT_HEADERS: Final = ("ETag", "Location")


class Answered(Exception):
    """The request is a repeat, and here is the first answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("repeat")
        self.response = response


@dataclass(frozen=True)
class Repeatable:
    """A write that answers its repeats with the first answer; `identity` is None when the caller sent no key."""

    session: AsyncConnection
    identity: Mapping[str, str] | None

    async def reply(
        self, view: BaseModel, status: int = 201, *, version: int | None = None, location: str | None = None
    ) -> Response:
        """Answer, and keep the answer in the transaction that wrote the record. Not for answers that hold secrets."""
        response = reply(view, status, version=version, location=location)
        if self.identity is not None:
            headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            await keep(self.session, self.identity, status, headers, bytes(response.body).decode())
        return response


async def repeatable(
    request: Request, app: App, caller: Principal, session: Session, key: IdempotencyKey = None
) -> Repeatable:
    """Claim the key in the record's own transaction. Raises Answered for a repeat, KeyReused for another body."""
    if key is None:
        return Repeatable(session, None)
    identity = key_of(request, caller, key)
    return await claimed(session, identity, fingerprint(app.fingerprint_key, await request.body()))


Once = Annotated[Repeatable, Depends(repeatable)]


def key_of(request: Request, caller: Caller, key: str) -> Mapping[str, str]:
    """Whose key it is, for which call."""
    return {
        "of_principal": str(caller.id),
        "of_route": f"{request.method} {storable_path(request.scope['path'])}",
        "of_key": key,
    }


def storable_path(path: str) -> str:
    """A path as it is, or, where it is longer than any of ours or holds what Postgres does not, its fingerprint."""
    return (
        path
        if len(path) <= LONGEST_PATH and path.isascii() and path.isprintable()
        else hashlib.sha256(path.encode(errors="replace")).hexdigest()
    )


async def claimed(session: AsyncConnection, identity: Mapping[str, str], mark: str) -> Repeatable:
    """The key, claimed for the body with this fingerprint. Raises Answered for a repeat, KeyReused for another body."""
    if not await reserve(session, identity, mark):
        first = await earlier(session, identity)
        if first is None or first["status"] is None:
            raise Unavailable("The first request under this key has not been answered. Repeat the request.")
        if not hmac.compare_digest(first["fingerprint"], mark):
            raise KeyReused
        headers = {**first["headers"], "Idempotent-Replayed": "true"}
        raise Answered(Response(first["body"], first["status"], headers, media_type="application/json"))
    return Repeatable(session, identity)


async def on_answered(request: Request, repeat: Answered) -> Response:
    """The first answer again."""
    return repeat.response


def fingerprint(key: bytes, body: bytes) -> str:
    """What tells two bodies apart, whatever their spacing. Keyed, because a body can hold a password."""
    with suppress(ValueError, RecursionError):
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    return hmac.digest(key, body, hashlib.sha256).hex()


def fresh(version: int, accepted: tuple[int, ...] | None) -> None:
    """Refuse a change to another version than the caller has seen. Raises Stale."""
    if accepted is not None and version not in accepted:
        raise Stale(current_version=version)


def new_id() -> UUID:
    """The id of a new record, in the order of creation."""
    return compat.uuid7()


async def refuse_unknown(session: AsyncConnection, references: References) -> None:
    """Refuse fields that name what does not exist, all at once. Raises UnknownReference."""
    fields = await unknown(session, references)
    if fields:
        raise UnknownReference(*fields)
