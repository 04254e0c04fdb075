"""The OpenAPI document says what the API does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from api import permissions
from api.dependencies import Agent, guard
from api.openapi import operations
from api.permissions import LEAST_ROLE, PUBLIC, Ungranted
from domain.identity import Role
from tests.api.front import Front, problem

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@pytest.fixture
def document(api: Front) -> dict[str, Any]:
    return api.app.openapi()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_each_reference_leads_somewhere_and_no_schema_is_the_frameworks(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {reference.rpartition("/")[2] for reference in references(document)} <= schemas.keys()
    assert "HTTPValidationError" not in schemas
    assert "HTTPValidationError" not in str(document["paths"])


async def test_operation_ids_are_unique_and_every_operation_is_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(operation["description"] for _, _, operation in operations(document))


async def test_security_is_what_the_table_of_permissions_says(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        public = LEAST_ROLE[method, path] is PUBLIC
        assert operation["security"] == ([] if public else [{"bearer": []}]), (method, path)
        judged = not public or path in ("/api/auth/token", "/api/deadlines.ics")
        assert ("401" in operation["responses"]) is judged, (method, path)


async def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)


async def test_what_a_caller_may_not_do_is_refused_before_the_body_is_judged(api: Front) -> None:
    for (method, path), least in LEAST_ROLE.items():
        concrete = path
        for name in re.findall(r"\{\w+\}", path):
            concrete = concrete.replace(name, "0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11")
        if least is not PUBLIC:
            problem(await api.call(None, method, concrete), 401, "unauthenticated")
        if least not in (PUBLIC, Role.CUSTOMER):
            problem(await api.call("customer", method, concrete), 403, "role-too-low")


async def test_the_printed_table_names_every_route() -> None:
    printed = permissions.markdown()
    assert all(f"| {method} {path} |" in printed for method, path in LEAST_ROLE)


def _application(endpoint: Any, path: str = "/api/thing") -> FastAPI:
    app, router = FastAPI(dependencies=[Depends(guard)]), APIRouter()
    router.get(path)(endpoint)
    app.include_router(router)
    return app


async def _taken(agent: Agent) -> None:
    """Takes a principal."""


async def _open() -> None:
    """Takes none."""


async def test_the_application_does_not_start_with_a_route_that_the_table_does_not_know() -> None:
    with pytest.raises(Ungranted, match="missing"):
        permissions.check(_application(_taken), {})
    with pytest.raises(Ungranted, match="nowhere else"):
        permissions.check(_application(_taken), {("GET", "/api/thing"): Role.AGENT, ("GET", "/api/gone"): PUBLIC})


async def test_the_application_does_not_start_when_signature_and_table_differ() -> None:
    permissions.check(_application(_taken), {("GET", "/api/thing"): Role.AGENT})
    for endpoint, least in ((_taken, Role.ADMIN), (_taken, PUBLIC), (_open, Role.AGENT)):
        with pytest.raises(Ungranted, match="signature"):
            permissions.check(_application(endpoint), {("GET", "/api/thing"): least})
