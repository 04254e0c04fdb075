"""Problem documents (RFC 9457): what they look like and how they are written."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import Field
from starlette.responses import Response

from api.schemas.common import View
from api.schemas.wording import in_words

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:summit:problem:"

STATUS: Final[Mapping[str, int]] = {
    "not_found": 404,
    "forbidden": 403,
    "conflict": 409,
    "stale": 412,
    "invalid": 422,
}
"""The one table from a refusal's category to its status."""

LONGEST_POINTER: Final = 200


class FieldError(View):
    """One bad field: a JSON pointer into the body, or the name of a parameter."""

    pointer: str | None = Field(default=None, examples=["/customerEmail"])
    parameter: str | None = Field(default=None, examples=["limit"])
    detail: str
    code: str


class Problem(View):
    """Why a request was not done (RFC 9457). `type` is stable; further members depend on it."""

    type: str = Field(examples=["urn:summit:problem:not-found"])
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] | None = None


@cache
def kebab(name: str) -> str:
    """`IllegalTransition` or `illegal_transition` as `illegal-transition`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()


@cache
def camel(name: str) -> str:
    """`allowed_transitions` as `allowedTransitions`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def title(kind: str) -> str:
    """The human form of a problem's kind."""
    return kind.replace("-", " ").capitalize()


def problem(
    kind: str,
    status: int,
    detail: str,
    *,
    path: str,
    request_id: str,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem response. ASCII only, so that whatever a field was named it can be encoded."""
    members = {
        camel(name): value
        for name, value in (extra or {}).items()
        if value is not None and (name, value) != ("errors", [])
    }
    document = {
        "type": TYPE_PREFIX + kind,
        "title": title(kind),
        "status": status,
        "detail": detail,
        "instance": path,
        "requestId": request_id,
    }
    document = {**document, **{name: value for name, value in members.items() if name not in document}}
    return Response(json.dumps(document, default=str).encode(), status, headers=headers, media_type=MEDIA_TYPE)


def pointer(steps: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901), of bounded length."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)[:LONGEST_POINTER]


def field_error(error: Mapping[str, Any]) -> dict[str, str]:
    """What pydantic found wrong with one field, without the value that it found."""
    place, *steps = error["loc"] or ("body",)
    code = str(error["type"])
    if place == "body":
        where = {"pointer": pointer(() if code == "json_invalid" else steps)}
    else:
        where = {"parameter": str(steps[0])[:LONGEST_POINTER] if steps else str(place)}
    inner = bool(steps) and code == "model_attributes_type"
    detail = in_words("model_type" if inner else code, str(error["msg"]), error.get("ctx", {}))
    return {**where, "detail": detail, "code": code}


def status_title(status: int) -> str:
    """The kind of a problem that only its status describes."""
    return HTTPStatus(status).phrase.lower().replace(" ", "-")
