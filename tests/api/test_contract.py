"""The OpenAPI document against the API itself: whatever is sent by whomever, the answer is one that the document names."""

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import operations
from api.permissions import LEAST_ROLE, PUBLIC, Route
from cli.demo import PEOPLE
from domain.customers import Tier
from tests.api.front import STREAMS, Front
from tests.api.keys import made
from tests.api.test_permissions import mail_of_the_desk, of_the_past
from tests.api.told import posted

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLERS: Final = (None, "customer", "agent", "lead", "admin")
EXAMPLES: Final = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 4}
QUIET: Final = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


async def a_calendar(api: Front) -> dict[str, Any]:
    """A calendar that nobody uses."""
    return {"name": uuid.uuid4().hex, "week": {"MON": [["09:00", "17:00"]]}}


async def a_definition(api: Front) -> dict[str, Any]:
    """A promise that no ticket of the other tests is held to, because it is off unless defined."""
    calendar = await api.created("lead", "/api/sla/calendars", await a_calendar(api))
    promise = {"tier": "BASIC", "severity": "SEV4", "kind": "NEXT_RESPONSE"}
    return {**promise, "targetMinutes": 60, "calendarId": calendar["id"]}


async def a_rule(api: Front) -> dict[str, Any]:
    """A rule that no ticket meets."""
    return {
        "name": uuid.uuid4().hex,
        "trigger": {"type": "REOPENED", "count": 100},
        "actions": [{"type": "WEBHOOK"}],
    }


async def a_field(api: Front) -> dict[str, Any]:
    """A custom field that rules nothing yet."""
    return {"key": f"k{uuid.uuid4().hex}", "label": "Something", "type": "TEXT", "active": False}


async def a_template(api: Front) -> dict[str, Any]:
    """A macro."""
    return {"name": uuid.uuid4().hex, "body": "{{ ticket.number }}", "changes": {"addTags": ["macro"]}}


async def a_view(api: Front) -> dict[str, Any]:
    """A view that everybody sees."""
    return {"name": "Mine", "filters": {"assigneeId": ["me"]}, "shared": True}


RECORDS: Final = {
    "calendar_id": ("/api/sla/calendars", a_calendar),
    "definition_id": ("/api/sla/definitions", a_definition),
    "rule_id": ("/api/escalation-rules", a_rule),
    "field_id": ("/api/ticket-fields", a_field),
    "template_id": ("/api/ticket-templates", a_template),
    "view_id": ("/api/views", a_view),
}
"""What is made anew for the calls on one, since they may end it."""


@dataclass(frozen=True)
class Contract:
    """What the document says, and the API that it speaks of."""

    api: Front
    schema: Any
    loop: asyncio.AbstractEventLoop

    async def things(self, path: str) -> dict[str, str]:
        """Ids of what exists, for the parameters of a path."""
        if "{user_id}" in path:
            person = {"email": f"{uuid.uuid4().hex}@shop.example", "name": "Somebody", "role": "AGENT"}
            return {"user_id": (await self.api.created("admin", "/api/users", person))["id"]}
        if "{ticket_id}" in path:
            ticket = {
                "customerEmail": "customer@example.com",
                "subject": "No dashboard",
                "description": "It answers 403.",
            }
            more = {"kind": "RESOLUTION"} if "{kind}" in path else {}
            if "{template_id}" in path:
                more = await self.things("{template_id}")
            return {"ticket_id": (await self.api.created("customer", "/api/tickets", ticket))["id"], **more}
        for name, (collection, body) in RECORDS.items():
            if f"{{{name}}}" in path:
                return {name: (await self.api.created("admin", collection, await body(self.api)))["id"]}
        if "{mailbox_id}" in path or "{mail_id}" in path:
            mail = await mail_of_the_desk(self.api)
            return {name: value for name, value in mail.items() if f"{{{name}}}" in path}
        if "{breach_id}" in path or "{job_id}" in path:
            things = of_the_past(self.api)
            return {name: value for name, value in things.items() if f"{{{name}}}" in path}
        if "{key_id}" in path:
            return {"key_id": (await made(self.api, "AGENT"))["id"]}
        if "{notification_id}" in path or "{webhook_id}" in path:
            told = await posted(self.api, "customer" if path.endswith("/read") else "admin")
            return {name: value for name, value in told.items() if f"{{{name}}}" in path}
        if "{address}" in path:
            suppressed = {"address": f"{uuid.uuid4().hex}@shop.example"}
            return {"address": (await self.api.created("admin", "/api/mail/suppressions", suppressed))["address"]}
        known = {
            "template_name": "ticket_received",
            "account_id": str(self.api.seed.accounts[Tier.ENTERPRISE]),
            "team_id": str(self.api.seed.teams["Engineering"]),
        }
        return {name: value for name, value in known.items() if f"{{{name}}}" in path}

    def explore(self, who: str | None, route: Route, mode: GenerationMode, things: dict[str, str], most: int) -> None:
        """Send what the document allows, or what it forbids, and hold each answer against it. Not on the loop's thread."""
        method, path = route
        operation = self.schema[path][method]
        takes = operation.definition.raw.keys() & {"parameters", "requestBody"}
        if mode is GenerationMode.NEGATIVE and not takes:
            return  # nothing that could be wrong
        allowed = mode is GenerationMode.POSITIVE
        strategy = operation.as_strategy(mode, path_parameters=things if allowed else None)
        checks = CHECKS if allowed else [*CHECKS, negative_data_rejection]

        @settings(max_examples=most, **QUIET)
        @given(case=strategy)
        def holds(case: Case) -> None:
            answer = asyncio.run_coroutine_threadsafe(self.send(who, case), self.loop).result(30)
            case.validate_response(answer, checks=checks)

        holds()

    async def send(self, who: str | None, case: Case) -> httpx.Response:
        """The case, as `who` would send it."""
        sent = requests.Request(**case_arguments(case)).prepare()
        headers = [(name, value) for name, value in sent.headers.items() if name.lower() != "authorization"]
        if who is not None:
            headers.append(("Authorization", f"Bearer {self.api.token(who)}"))
        raw = [
            (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in headers
        ]
        return await self.api.http.request(sent.method or "", sent.url or "", headers=raw, content=sent.body)


def case_arguments(case: Case) -> dict[str, Any]:
    """A case as `requests` takes it."""
    taken = ("method", "url", "headers", "files", "data", "params", "cookies", "json")
    arguments = case.as_transport_kwargs(base_url="http://summit.test")
    return {name: value for name, value in arguments.items() if name in taken}


def explorable(document: dict[str, Any]) -> Any:
    """The document without its security: who calls is the test's choice, not a parameter to be left out."""
    document = copy.deepcopy(document)
    del document["components"]["securitySchemes"]
    for _, _, operation in operations(document):
        del operation["security"]
    return schemathesis.openapi.from_dict(document)


async def in_force(api: Front) -> dict[str, None]:
    """Where each record is that rules tickets; definitions come before the calendars that they name."""
    found = {}
    for collection, _ in reversed(RECORDS.values()):
        records = (await api.call("admin", "GET", collection, params={"limit": 100})).json()["data"]
        found.update({f"{collection}/{record['id']}": None for record in records})
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def contract(playground: Front) -> AsyncIterator[Contract]:
    """The document as the API gives it out; what is made up here rules no other test's tickets."""
    before = await in_force(playground)
    yield Contract(playground, explorable(playground.app.openapi()), asyncio.get_running_loop())
    for path in await in_force(playground):
        if path not in before:
            assert (await playground.call("admin", "DELETE", path)).status_code == 204


# Schemathesis itself draws from `random` when it makes forms.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("route", [route for route in LEAST_ROLE if route[1] not in STREAMS], ids=" ".join)
@pytest.mark.parametrize("who", CALLERS)
async def test_every_answer_is_one_that_the_document_names(contract: Contract, who: str | None, route: Route) -> None:
    least = LEAST_ROLE[route]
    granted = least is PUBLIC or (who is not None and PEOPLE[who].role.includes(least))
    things = await contract.things(route[1])
    for mode, most in EXAMPLES.items():
        await asyncio.to_thread(contract.explore, who, route, mode, things, most if granted else 1)
