"""The OpenAPI document: FastAPI's, made true where it cannot know: security, problems, headers."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.errors import problem_response
from api.permissions import LEAST_ROLE, PUBLIC
from api.problems import MEDIA_TYPE, Problem

BEARER: Final = "bearer"
FRAMEWORKS_OWN: Final = ("HTTPValidationError", "ValidationError")

ALWAYS: Final[Mapping[str, str]] = {
    "422": "A parameter or field cannot be accepted, or is not known. `errors` names each one.",
    "429": "Too many requests; see `Retry-After`.",
    "503": "Something that we lean on is away; see `Retry-After`. Repeating is safe with the same Idempotency-Key.",
}
SIGNED_IN: Final[Mapping[str, str]] = {
    "401": "No token or API key, or one that is forged, expired or no longer good.",
    "403": "The caller's role or the key's scopes do not include this, or the body names another tenant.",
}
WITH_BODY: Final[Mapping[str, str]] = {
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
}
PROBE: Final[Mapping[str, str]] = {"422": ALWAYS["422"]}

HOW_TO_SIGN_IN: Final = (
    "A token of `POST /api/auth/token`, one of the OIDC issuer that `GET /api/auth/oidc` names, "
    "or an API key of `POST /api/api-keys`."
)

RETRY_AFTER: Final = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
ETAG: Final = {"description": "The resource's version, for If-Match.", "schema": {"type": "string", "example": '"v1"'}}
LOCATION: Final = {
    "description": "Where the new resource is; absent where its maker may not read it.",
    "schema": {"type": "string"},
}
AS_CSV: Final = {
    "schema": {"type": "string", "description": "The whole list, from `cursor` on, as a file (RFC 4180, UTF-8)."}
}
DISPOSITION: Final = {"description": "The name of the file, with `Accept: text/csv`.", "schema": {"type": "string"}}

DESCRIPTION: Final = """Enterprise support platform: every promise is a durable timer.

Errors are problem documents (RFC 9457). Lists are paged with cursors; with `Accept: text/csv` a list answers all of its pages as
one file. Creating calls take an `Idempotency-Key`, changes `If-Match`. Sign in at `POST /api/auth/token`; programs use API keys."""


def operation_id(route: APIRoute) -> str:
    """`create_ticket` as `createTicket`."""
    head, *rest = route.name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def install(app: FastAPI) -> None:
    """Let `app` serve this document; it is built at the first request for it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """The document for the routes of `app`."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in FRAMEWORKS_OWN:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = {**problem, "additionalProperties": True}
    components["securitySchemes"] = {
        BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or API key", "description": HOW_TO_SIGN_IN},
    }
    for method, path, operation in operations(document):
        complete(operation, LEAST_ROLE[method, path] is PUBLIC, path, schemas)
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation of the document with its method and path."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def complete(operation: dict[str, Any], public: bool, path: str, schemas: Mapping[str, Any]) -> None:
    """Add what holds for every route of its sort; what the route says itself stays."""
    responses = operation["responses"]
    if "$ref" in str(responses.get("422")) and "HTTPValidationError" in str(responses["422"]):
        del responses["422"]
    operation["security"] = [] if public else [{BEARER: []}]
    common: dict[str, str] = {**(ALWAYS if path.startswith("/api/") else PROBE)}
    if not public:
        common.update(SIGNED_IN)
    if "requestBody" in operation:
        common.update(WITH_BODY)
    if "{" in path:
        common["404"] = "There is no such thing, or none that the caller may know of."
    if any(parameter["name"].lower() == "if-match" for parameter in operation.get("parameters", ())):
        common["412"] = "The resource has changed since the caller read it."
    for status, description in common.items():
        responses.setdefault(status, problem_response(description))
    for status, response in responses.items():
        if MEDIA_TYPE in response.get("content", {}):
            response["content"][MEDIA_TYPE] = {k: v for k, v in response["content"][MEDIA_TYPE].items() if v}
        headers = response.setdefault("headers", {})
        if status in ("429", "503"):
            headers["Retry-After"] = RETRY_AFTER
        if status.startswith("2") and has_version(response, schemas):
            headers["ETag"] = ETAG
        if status == "200" and is_page(response, schemas):
            response["content"]["text/csv"] = AS_CSV
            headers["Content-Disposition"] = DISPOSITION
        if status == "201":
            headers["Location"] = LOCATION
        if not headers:
            del response["headers"]
    operation["responses"] = dict(sorted(responses.items()))


def is_page(response: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether the answer is a page of a list, which is given out as a file too."""
    return {"data", "page"} == set(named_schema(response, schemas).get("properties", {}))


def named_schema(response: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a JSON answer refers to; an empty one when it refers to none."""
    reference = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    found: Mapping[str, Any] = schemas.get(reference.rpartition("/")[2], {})
    return found


def has_version(response: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether the answer is a resource, which is what has a version."""
    return "version" in named_schema(response, schemas).get("properties", {})
