"""From what went wrong to a problem: refusals, bad input, a database that is away, and bugs."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from temporalio.service import RPCError

from api.constraints import CONSTRAINTS
from api.permissions import LEAST_ROLE
from api.problems import MEDIA_TYPE, STATUS, TYPE_PREFIX, field_error, kebab, problem, status_title, title
from db.away import exceeds, is_away
from domain.process import Refusal
from domain.protocol import RefusalRecord

log = structlog.get_logger()

MOST_ERRORS: Final = 100
"""How many bad fields one answer names."""

RETRY_SECONDS: Final = 2
"""How soon to try again when something we lean on is away."""


class Refused(Exception):
    """A refusal that came over the wire from a process."""

    def __init__(self, record: RefusalRecord) -> None:
        super().__init__(record.detail)
        self.record = record


class Unavailable(Exception):
    """Something that we lean on did not answer in time; repeating with the same key is safe."""

    def __init__(self, detail: str = "A part of the system is away. Nothing is lost; repeat the request.") -> None:
        super().__init__(detail)
        self.detail = detail


class Unauthenticated(Exception):
    """No caller, or none that we believe. `error` is the code of RFC 6750; None when no credentials came."""

    def __init__(self, detail: str, error: str | None = "invalid_token") -> None:
        super().__init__(detail)
        self.detail = detail
        self.error = error


class TooManyRequests(Exception):
    """A rate limit is used up for `seconds` more."""

    def __init__(self, seconds: int) -> None:
        super().__init__("rate limit")
        self.seconds = seconds


class BodyTooLarge(HTTPException):
    """The body is larger than allowed. An HTTPException, because FastAPI lets only those through while it reads."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(413, f"The body is too large: at most {most_bytes:,} bytes are taken here.")


class BodyLate(HTTPException):
    """The body did not come within the time that there is for it."""

    def __init__(self) -> None:
        super().__init__(408, "The body did not arrive in time.")


def answer(
    request: Request,
    kind: str,
    status: int,
    detail: str,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem about this request."""
    return problem(
        kind,
        status,
        detail,
        path=request.scope["path"],
        request_id=getattr(request.state, "request_id", ""),
        extra=extra,
        headers=headers,
    )


async def on_refusal(request: Request, error: Refusal) -> Response:
    """A rule said no, in this process."""
    return answer(request, kebab(type(error).__name__), STATUS[error.category], error.detail, error.extra)


async def on_refused(request: Request, error: Refused) -> Response:
    """A rule said no, in a decision."""
    record = error.record
    return answer(request, kebab(record.type), STATUS.get(record.category, 409), record.detail, record.extra)


async def on_invalid(request: Request, error: RequestValidationError) -> Response:
    """Every bad field at once."""
    errors = [field_error(each) for each in error.errors()[:MOST_ERRORS]]
    return answer(request, "invalid", 422, "The request has fields that cannot be accepted.", {"errors": errors})


async def on_http(request: Request, error: HTTPException) -> Response:
    """What the framework refuses: unknown paths, methods, and bodies that it cannot read."""
    if error.status_code == 400:
        unreadable = [{"pointer": "", "detail": "The body cannot be read.", "code": "unreadable"}]
        return answer(request, "invalid", 422, "The body cannot be read.", {"errors": unreadable})
    kind = KINDS.get(error.status_code) or status_title(error.status_code)
    headers = {"Allow": allowed_methods(request.scope["path"])} if error.status_code == 405 else error.headers
    return answer(request, kind, error.status_code, str(error.detail), headers=headers)


KINDS: Final[Mapping[int, str]] = {413: "body-too-large", 416: "range-not-satisfiable"}
"""Types of problems that say more than the status, or that Python's name of it would change with its version."""


def allowed_methods(path: str) -> str:
    """Every method of a path; the framework itself names only those of the first route that has it."""
    methods = {method for method, template in LEAST_ROLE if compile_path(template)[0].match(path)}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def on_unavailable(request: Request, error: Unavailable) -> Response:
    """Try again soon."""
    return answer(request, "unavailable", 503, error.detail, headers={"Retry-After": str(RETRY_SECONDS)})


async def on_unauthenticated(request: Request, error: Unauthenticated) -> Response:
    """Who are you? (RFC 6750)"""
    challenge = 'Bearer realm="summit"' + (f', error="{error.error}"' if error.error else "")
    return answer(request, "unauthenticated", 401, error.detail, headers={"WWW-Authenticate": challenge})


async def on_too_many(request: Request, error: TooManyRequests) -> Response:
    """Slow down."""
    detail = f"Too many requests; try again in {error.seconds} s."
    return answer(request, "too-many-requests", 429, detail, headers={"Retry-After": str(error.seconds)})


async def on_database(request: Request, error: Exception) -> Response:
    """A constraint that carries a rule is a refusal; a server that is away or too slow is 503; the rest are bugs."""
    if isinstance(error, IntegrityError) and isinstance(error.orig, psycopg.IntegrityError):
        refusal = CONSTRAINTS.get(error.orig.diag.constraint_name or "")
        if refusal is not None:
            return await on_refusal(request, refusal())
    if is_away(error):
        log.warning("database_away", error=type(error).__name__)
        return await on_unavailable(request, Unavailable("The database does not answer. Repeat the request."))
    return await on_bug(request, error)


def is_transient(error: Exception) -> bool:
    """Whether the same may succeed later: something that we lean on was away."""
    return isinstance(error, Unavailable | RPCError | TimeoutError) or is_away(error)


def is_unwritable(error: Exception) -> bool:
    """Whether these values can never be written, however often it is tried."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, psycopg.DataError | UnicodeEncodeError) or exceeds(cause)


async def on_bug(request: Request, error: Exception) -> Response:
    """Our fault; the details are in the log under the request's id."""
    log.error("unhandled_exception", exc_info=error)
    return answer(request, "internal-error", 500, "Something went wrong here. The request's id leads us to the cause.")


HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Any], Any]]] = {
    Refusal: on_refusal,
    Refused: on_refused,
    Unavailable: on_unavailable,
    Unauthenticated: on_unauthenticated,
    TooManyRequests: on_too_many,
    DBAPIError: on_database,
    PoolTimeout: on_database,
    psycopg.Error: on_database,
}


def install(app: FastAPI) -> None:
    """Let `app` answer with problems. What no handler knows is caught by api.middleware, and is a bug."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


def refusals(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """What a route can refuse, for its `responses=`: one example per kind, kinds of one status side by side."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = STATUS[kind.category]
        name = kebab(kind.__name__)
        summary = (kind.__doc__ or title(name)).strip().splitlines()[0]
        response = responses.setdefault(status, problem_response(""))
        response["description"] = f"{response['description']} {summary}".strip()
        response["content"][MEDIA_TYPE]["examples"][name] = {
            "summary": title(name),
            "value": {
                "type": TYPE_PREFIX + name,
                "title": title(name),
                "status": status,
                "detail": summary,
                "instance": "/api/…",
                "requestId": "0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11",
            },
        }
    return responses


def problem_response(description: str) -> dict[str, Any]:
    """An OpenAPI response that is a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}}}
