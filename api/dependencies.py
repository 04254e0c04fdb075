"""What routes take, as nouns: who calls, the transaction, the page, the conditions of the request."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Final, cast
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from api.auth import Caller
from api.errors import Unauthenticated, on_http, on_invalid
from api.middleware import PROBES
from api.paging import FURTHER, PageRequest
from api.permissions import ENOUGH, LEAST_ROLE, PEOPLE_ONLY, PUBLIC, SCOPE_OF, Route
from api.services import Services
from api.tenancy import CURRENT_TENANT
from db.engine import tenant_transaction
from db.identity import public_tenant
from domain.identity import Role
from domain.process import Forbidden, Invalid, NotFound


class RoleTooLow(Forbidden):
    """The caller's role does not include this."""

    def __init__(self, least: Role) -> None:
        super().__init__(f"This takes the role {least}.", required_role=least)


class ScopeMissing(Forbidden):
    """The API key's scopes do not include this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This takes an API key with the scope {scope}.", required_scope=scope)


class PeopleOnly(Forbidden):
    """An API key is nobody who could have this."""

    def __init__(self) -> None:
        super().__init__("This is for people: an API key has no inbox, no preferences and no promises to keep.")


class UnknownTenant(NotFound):
    """No tenant has this name, and none is the default."""

    def __init__(self) -> None:
        super().__init__("There is no such tenant; name one with `?tenant=`.")


class BadIfMatch(Invalid):
    """The If-Match header is not a list of entity tags."""

    def __init__(self) -> None:
        wrong = {"parameter": "If-Match", "code": "etag", "detail": 'must be entity tags such as "v3", or *'}
        super().__init__("The If-Match header cannot be read.", [wrong])


def services(request: Request) -> Services:
    """The collaborators of this process."""
    return cast("Services", request.app.state.services)


async def guard(request: Request) -> None:
    """Before every route: may the caller come in, and do we know each parameter?"""
    await admit(request)
    if request.scope["query_string"]:
        await refuse_unknown_parameters(request, request.scope["route"].dependant)


async def admit(request: Request) -> None:
    """Who calls, may they, and are they not too many?

    The caller is kept in `request.state.caller`, until when it is admitted in `request.state.expires_at` (seconds since 1970),
    and its tenant in the context of the request.
    """
    app = services(request)
    route: APIRoute = request.scope["route"]
    least = LEAST_ROLE[request.method, route.path_format]
    further = request.scope.get(FURTHER, False)
    if least is not PUBLIC:
        caller, request.state.expires_at = await app.gate.admit(bearer(request))
        request.state.caller = caller
        CURRENT_TENANT.set(caller.tenant_id)
        bind_contextvars(tenant_id=str(caller.tenant_id), actor_id=str(caller.id))
        if not further:
            await app.limits.principal(str(caller.id))
        called = (request.method, route.path_format)
        if not (caller.role.includes(least) or trusted_with(caller, called)):
            raise RoleTooLow(least)
        if caller.is_key:
            confine(caller, called)
    elif route.path_format not in PROBES and not further:
        await app.limits.public(address(request))


def trusted_with(caller: Caller, route: Route) -> bool:
    """Whether it is a key that was made for just this, whatever its role."""
    return route in ENOUGH and caller.scopes is not None and SCOPE_OF[route] in caller.scopes


def confine(key: Caller, route: Route) -> None:
    """Refuse an API key what is outside its scopes, and what only people have. Raises ScopeMissing, PeopleOnly."""
    if route in PEOPLE_ONLY:
        raise PeopleOnly
    scope = SCOPE_OF[route]
    if key.scopes is not None and scope is not None and scope not in key.scopes:
        raise ScopeMissing(scope)


async def on_unreadable(request: Request, error: RequestValidationError | HTTPException) -> Response:
    """What is wrong with a request, told to those who may make it: the framework reads a body before it asks `guard`."""
    if isinstance(error, HTTPException):
        if error.status_code == 400:
            await admit(request)
        return await on_http(request, error)
    if any(each["type"] == "json_invalid" for each in error.errors()):
        await admit(request)
    return await on_invalid(request, error)


async def refuse_unknown_parameters(request: Request, dependant: Dependant) -> None:
    """A parameter misspelt must not pass for one left out. Raises RequestValidationError, naming all that is bad beside it."""
    unknown = request.query_params.keys() - known_parameters(dependant)
    if unknown:
        errors: list[Any] = [
            {"type": "unknown_parameter", "loc": ("query", name), "msg": "There is no such parameter."}
            for name in sorted(unknown)
        ]
        for each in family(dependant):
            found = request_params_to_args(each.query_params, request.query_params)[1]
            errors += [error for error in found if error["loc"][-1] not in unknown]
        if dependant.body_params and is_json(request):
            sent = await request.json() if await request.body() else None
            errors += (await request_body_to_args(dependant.body_params, sent, False))[1]
        raise RequestValidationError(errors)


def is_json(request: Request) -> bool:
    """Whether the body came as JSON; FastAPI has read it, and refused it unless it is, or is empty."""
    essence = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def bearer(request: Request) -> str:
    """The token of the Authorization header. Raises Unauthenticated."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        raise Unauthenticated("Sign in: this call takes a bearer token.", None)
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must hold a bearer token.", "invalid_request")
    return token.strip()


def address(request: Request) -> str:
    """The caller's network address, as uvicorn learnt it from trusted proxies."""
    return request.client.host if request.client is not None else "unknown"


def known_parameters(dependant: Dependant) -> set[str]:
    """The query parameters of a route and of all that it depends on, aliases of query models included."""
    names: set[str] = set()
    for parameter in (parameter for each in family(dependant) for parameter in each.query_params):
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names.update(info.alias or name for name, info in annotation.model_fields.items())
        else:
            names.add(parameter.alias)
    return names


def family(dependant: Dependant) -> Iterator[Dependant]:
    """A dependant and all that it depends on."""
    yield dependant
    for each in dependant.dependencies:
        yield from family(each)


class Least:
    """The caller, whose role the guard compared with the table; api.permissions checks that `least` agrees with it."""

    def __init__(self, role: Role) -> None:
        self.least = role

    async def __call__(self, request: Request) -> Caller:
        """The caller of this request."""
        return cast("Caller", request.state.caller)


async def _services(request: Request) -> Services:
    return services(request)


async def after_commit() -> list[Callable[[], None]]:
    """What a route wants done once its transaction is committed, before the answer is sent."""
    return []


AfterCommit = Annotated[list[Callable[[], None]], Depends(after_commit)]


async def session(request: Request, then: AfterCommit) -> AsyncIterator[AsyncConnection]:
    """One transaction of the caller's tenant, committed before the answer is sent."""
    async with tenant_transaction(services(request).engine, request.state.caller.tenant_id) as connection:
        yield connection
    for act in then:
        act()


async def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 25,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="`page.nextCursor` of the page before, to go on from there.")
    ] = None,
) -> PageRequest:
    """How much of a list, and from where."""
    return page_of(request, limit, cursor)


def page_of(request: Request, limit: int, cursor: str | None) -> PageRequest:
    """A page of the list that the request names."""
    return PageRequest(limit, cursor, services(request).cursors.of(request.scope["path"]))


ENTITY_TAG: Final = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
VERSION: Final = re.compile(r"v(0|[1-9][0-9]{0,8})")


async def if_match(
    if_match: Annotated[
        str | None,
        Header(alias="If-Match", description="Do it only to this version.", examples=['"v3"'], max_length=1000),
    ] = None,
) -> tuple[int, ...] | None:
    """The versions that the caller accepts; None for any. Tags that we never gave out are accepted by no version.

    A weak tag counts as its strong one: proxies that compress weaken what we sent.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [ENTITY_TAG.fullmatch(part) for part in if_match.split(",")]
    if not all(tags):
        raise BadIfMatch
    versions = [VERSION.fullmatch(tag[1]) for tag in tags if tag]
    return tuple(int(version[1]) for version in versions if version)


async def public_tenant_id(
    request: Request,
    tenant: Annotated[
        str | None,
        Query(max_length=63, pattern=r"^[a-z0-9-]+$", description="The tenant's slug; else its host name decides."),
    ] = None,
) -> UUID:
    """The tenant of a call without a token: named, else by host, else the only one, else the default."""
    host = (request.url.hostname or "").replace("\0", "")
    async with services(request).engine.begin() as connection:
        row = await public_tenant(connection, tenant, host)
    if row is None:
        raise UnknownTenant
    CURRENT_TENANT.set(row["id"])
    return cast("UUID", row["id"])


App = Annotated[Services, Depends(_services)]
Principal = Annotated[Caller, Depends(Least(Role.CUSTOMER))]
Agent = Annotated[Caller, Depends(Least(Role.AGENT))]
Lead = Annotated[Caller, Depends(Least(Role.LEAD))]
Admin = Annotated[Caller, Depends(Least(Role.ADMIN))]
# Scope "function": with the default scope FastAPI would commit after the answer has been sent.
Session = Annotated[AsyncConnection, Depends(session, scope="function")]
PageQuery = Annotated[PageRequest, Depends(page_request)]
IfMatch = Annotated[tuple[int, ...] | None, Depends(if_match)]
PublicTenant = Annotated[UUID, Depends(public_tenant_id)]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Makes a repeat of this request safe: it gets the first answer."),
    Field(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$"),
]
