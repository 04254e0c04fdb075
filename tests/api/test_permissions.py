"""Every route against the table of permissions: who is refused, and that another tenant's things do not exist."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from api import permissions
from api.permissions import ENOUGH, LEAST_ROLE, PEOPLE_ONLY, PUBLIC, SCOPE_OF, SCOPES, UNSCOPED, Route
from cli.demo import PEOPLE
from domain.customers import Tier
from domain.identity import Role
from domain.ratings import survey_token
from tests.api.front import STREAMS, Front, problem, some_id, uploaded
from tests.api.keys import call, made
from tests.api.records import Records
from tests.api.tickets.office import eventually
from tests.api.told import posted
from tests.stack import ROOT

LOGINS: Final = {PEOPLE[login].role: login for login in ("customer", "agent", "lead", "admin")}

BODIES: Final[dict[Route, dict[str, Any]]] = {
    ("PATCH", "/api/users/{user_id}"): {"name": "Mallory"},
    ("PATCH", "/api/customers/accounts/{account_id}"): {"name": "Mallory Inc."},
    ("PATCH", "/api/tickets/{ticket_id}"): {"subject": "Mine now"},
    ("POST", "/api/tickets/{ticket_id}/comments"): {"body": "Mine now"},
    ("PUT", "/api/sla/calendars/{calendar_id}"): {"name": "Mine now", "week": {"MON": [["09:00", "17:00"]]}},
    ("DELETE", "/api/sla/calendars/{calendar_id}"): {},
    ("PUT", "/api/sla/definitions/{definition_id}"): {"targetMinutes": 1, "calendarId": some_id()},
    ("DELETE", "/api/sla/definitions/{definition_id}"): {},
    ("PATCH", "/api/escalation-rules/{rule_id}"): {"name": "Mine now"},
    ("DELETE", "/api/escalation-rules/{rule_id}"): {},
    **{
        ("POST", f"/api/tickets/{{ticket_id}}/sla/{{kind}}/{verb}"): {"reason": "Mine now"}
        for verb in ("pause", "resume", "waive")
    },
    ("POST", "/api/tickets/{ticket_id}/merge"): {"intoId": str(UUID(int=9))},
    ("POST", "/api/tickets/{ticket_id}/links"): {"type": "TICKET", "targetId": str(UUID(int=9))},
    ("DELETE", "/api/tickets/{ticket_id}/links/{link_type}/{target_id}"): {},
    ("POST", "/api/tickets/{ticket_id}/watchers"): {"userId": some_id()},
    ("DELETE", "/api/tickets/{ticket_id}/watchers/{user_id}"): {},
    ("POST", "/api/tickets/{ticket_id}/cc"): {"email": "boss@shop.example"},
    ("DELETE", "/api/tickets/{ticket_id}/cc/{email}"): {},
    ("POST", "/api/tickets/{ticket_id}/calls"): {"direction": "INBOUND", "seconds": 1, "notes": "Mine now"},
    ("POST", "/api/tickets/{ticket_id}/typing"): {},
    ("POST", "/api/tickets/{ticket_id}/attachments"): {},
    ("POST", "/api/tickets/{ticket_id}/rating"): {"score": 1},
    ("POST", "/api/ratings/{token}"): {"score": 1},
    ("PATCH", "/api/routing-rules/{routing_rule_id}"): {"name": "Mine now"},
    ("DELETE", "/api/routing-rules/{routing_rule_id}"): {},
    ("POST", "/api/tickets/{ticket_id}/macros/{template_id}"): {},
    ("PATCH", "/api/ticket-fields/{field_id}"): {"label": "Mine now"},
    ("DELETE", "/api/ticket-fields/{field_id}"): {},
    ("PATCH", "/api/ticket-templates/{template_id}"): {"name": "Mine now"},
    ("DELETE", "/api/ticket-templates/{template_id}"): {},
    ("PATCH", "/api/views/{view_id}"): {"name": "Mine now"},
    ("DELETE", "/api/views/{view_id}"): {},
    ("POST", "/api/sla/definitions/{definition_id}/reapply"): {},
    ("POST", "/api/sla/breaches/{breach_id}/acknowledge"): {"reason": "Mine now"},
    ("POST", "/api/sla/breaches/{breach_id}/waive"): {"reason": "Mine now"},
    ("POST", "/api/sla/breaches/{breach_id}/credit"): {"amount": "1"},
    ("POST", "/api/notifications/{notification_id}/read"): {},
    ("POST", "/api/notifications/log/{notification_id}/redeliver"): {},
    ("DELETE", "/api/mail/suppressions/{address}"): {},
    ("PATCH", "/api/mailboxes/{mailbox_id}"): {"name": "Mine now"},
    ("DELETE", "/api/mailboxes/{mailbox_id}"): {},
    **{("POST", f"/api/mail/inbound/{{mail_id}}/{verb}"): {} for verb in ("accept", "retry", "discard")},
    ("PATCH", "/api/webhooks/{webhook_id}"): {"active": False},
    ("DELETE", "/api/webhooks/{webhook_id}"): {},
    ("POST", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): {},
    ("DELETE", "/api/api-keys/{key_id}"): {},
}
"""A good body for each write to a thing; a new route adds its own."""

LONG_AGO: Final = datetime(2009, 3, 1, tzinfo=UTC)

LISTS: Final = [
    path for method, path in LEAST_ROLE if method == "GET" and path.startswith("/api/") and path not in STREAMS
]
OF_A_THING: Final = [route for route in LEAST_ROLE if "{" in route[1] and "{template_name}" not in route[1]]
"""Every tenant has the same mails to word; its own wordings have tests of their own."""

REFUSALS: Final = [
    (route, role) for route, least in LEAST_ROLE.items() if least for role in Role if not role.includes(least)
]


def at(path: str, things: dict[str, str]) -> str:
    """The path with ids in it; an unknown parameter is an error, so that a new kind of thing is added here."""
    return path.format(
        kind="RESOLUTION", link_type="TICKET", email="boss@shop.example", template_name="footer", **things
    )


RECORDS: Final = {
    "calendar_id": "/api/sla/calendars",
    "definition_id": "/api/sla/definitions",
    "rule_id": "/api/escalation-rules",
}
"""Things that every tenant begins with, and where they are listed."""

MORE: Final = (
    *("target_id", "routing_rule_id", "breach_id", "job_id", "notification_id", "webhook_id", "delivery_id"),
    *("attachment_id", "token", "key_id", "field_id", "template_id", "view_id", "address"),
    *("mailbox_id", "mail_id"),
)

NOTHING: Final = {name: some_id() for name in ("user_id", "team_id", "account_id", "ticket_id", *MORE, *RECORDS)}


TELLING_THE_TIME: Final = {"/api/tickets/{ticket_id}/sla"}
"""What answers differently each time."""


async def theirs(api: Front) -> dict[str, str]:
    """A thing of each kind, of the demo's first tenant."""
    ticket = {"customerEmail": "customer@example.com", "subject": "No dashboard", "description": "It answers 403."}
    ticket_id = (await api.created("agent", "/api/tickets", ticket))["id"]
    return {
        "user_id": str(api.seed.users["agent"]),
        "team_id": str(api.seed.teams["Engineering"]),
        "account_id": str(api.seed.accounts[Tier.ENTERPRISE]),
        "ticket_id": ticket_id,
        "attachment_id": (await uploaded(api, "agent", ticket_id))["id"],
        "token": survey_token(b"another tenant's key", api.seed.tenant_id, UUID(ticket_id), 1),
        "address": (await api.created("admin", "/api/mail/suppressions", {"address": f"{uuid4().hex}@shop.example"}))[
            "address"
        ],
        "target_id": (await api.created("agent", "/api/tickets", ticket))["id"],
        "routing_rule_id": (await api.created("lead", "/api/routing-rules", a_rule(api)))["id"],
        **await mail_of_the_desk(api),
        **await records_of_the_desk(api),
        **{name: await first(api, path) for name, path in RECORDS.items()},
        **of_the_past(api),
        **await posted(api, "admin"),
        "key_id": (await made(api, "AGENT"))["id"],
    }


async def mail_of_the_desk(api: Front) -> dict[str, str]:
    """A mailbox, and a mail that waits for somebody."""
    box = {"address": f"{uuid4().hex}@desk.example", "name": "A mailbox"}
    found = await api.created("admin", "/api/mailboxes", box)
    mail = f"From: news@shop.example\r\nMessage-ID: <{uuid4()}@x>\r\nPrecedence: bulk\r\n\r\nNews!".encode()
    path = f"/api/mail/inbound?recipient={found['address']}"
    taken = await api.call("lead", "POST", path, content=mail, headers={"Content-Type": "message/rfc822"})
    assert taken.status_code == 202, taken.text
    mail_id = taken.json()["id"]

    async def parked() -> bool:
        return bool((await api.call("lead", "GET", f"/api/mail/inbound/{mail_id}")).json()["state"] == "PARKED")

    await eventually(20, parked)
    return {"mailbox_id": found["id"], "mail_id": mail_id}


async def records_of_the_desk(api: Front) -> dict[str, str]:
    """A custom field that rules nothing, a template, and a view."""
    name = f"of a desk {uuid4()}"
    field = {"key": f"k{uuid4().hex}", "label": name, "type": "TEXT", "active": False}
    return {
        "field_id": (await api.created("admin", "/api/ticket-fields", field))["id"],
        "template_id": (await api.created("lead", "/api/ticket-templates", {"name": name, "body": "Hello"}))["id"],
        "view_id": (await api.created("admin", "/api/views", {"name": name, "filters": {"tag": [name]}}))["id"],
    }


def a_rule(api: Front) -> dict[str, Any]:
    """A routing rule that no ticket meets."""
    team = str(api.seed.teams["Engineering"])
    return {"name": f"Rule {uuid4()}", "teamId": team, "condition": {"tags": ["of no ticket"]}}


async def first(api: Front, path: str) -> str:
    """One of the records of a list."""
    record: str = (await api.call("admin", "GET", path)).json()["data"][0]["id"]
    return record


def of_the_past(api: Front) -> dict[str, str]:
    """A breach, and a job that is over, of the demo's first tenant."""
    records = Records(api.settings.postgres, api.seed.tenant_id)
    ticket = records.ticket(LONG_AGO, account=api.seed.accounts[Tier.ENTERPRISE])
    return {"breach_id": str(records.breach(ticket, LONG_AGO)), "job_id": str(records.job())}


@pytest.mark.parametrize("route", [route for route, least in LEAST_ROLE.items() if least is not PUBLIC], ids=" ".join)
async def test_without_a_token_nobody_gets_in(playground: Front, route: Route) -> None:
    method, path = route
    refused = await playground.call(None, method, at(path, NOTHING), json=BODIES.get(route, {}))
    problem(refused, 401, "unauthenticated")
    assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("route", "role"), REFUSALS, ids=str)
async def test_a_role_below_the_least_is_refused(playground: Front, route: Route, role: Role) -> None:
    method, path = route
    refused = await playground.call(LOGINS[role], method, at(path, NOTHING), json=BODIES.get(route, {}))
    assert problem(refused, 403, "role-too-low")["requiredRole"] == LEAST_ROLE[route]


@pytest.mark.parametrize("route", [route for route, scope in SCOPE_OF.items() if scope], ids=" ".join)
async def test_a_key_without_the_scope_of_a_route_is_refused(playground: Front, route: Route) -> None:
    method, path = route
    others = [scope for scope in SCOPES if scope not in ("*", SCOPE_OF[route])]
    key = await made(playground, "ADMIN", *others)
    refused = await call(playground, key, method, at(path, NOTHING), json=BODIES.get(route, {}))
    assert problem(refused, 403, "scope-missing")["requiredScope"] == SCOPE_OF[route]


@pytest.mark.parametrize("route", sorted(ENOUGH), ids=" ".join)
async def test_where_a_scope_is_enough_only_a_key_that_names_it_may_call_below_the_least_role(
    playground: Front, route: Route
) -> None:
    method, path = route
    named = await made(playground, "AGENT", str(SCOPE_OF[route]))
    assert (await call(playground, named, method, at(path, NOTHING))).status_code == 422
    for key in (await made(playground, "AGENT"), await made(playground, "AGENT", "tickets:write")):
        problem(await call(playground, key, method, at(path, NOTHING)), 403, "role-too-low")


async def test_every_route_that_takes_a_principal_has_a_scope_or_says_why_not() -> None:
    taken = {route for route, least in LEAST_ROLE.items() if least is not PUBLIC}
    assert {route for route in taken if SCOPE_OF[route] is None} == PEOPLE_ONLY | UNSCOPED
    assert {route for route in taken if route[1].startswith("/api/me/")} <= PEOPLE_ONLY, "a key is no person"


@pytest.mark.parametrize("route", OF_A_THING, ids=" ".join)
async def test_another_tenants_things_do_not_exist(playground: Front, route: Route) -> None:
    method, path = route
    things = await theirs(playground)
    body = {} if method == "GET" else {"json": BODIES[route]}
    before = await seen(playground, things)
    problem(await playground.call("otherAdmin", method, at(path, things), **body), 404, "not-found")
    assert await seen(playground, things) == before


async def seen(api: Front, things: dict[str, str]) -> list[str]:
    """What an admin of their own tenant reads at each route of a thing."""
    read = [path for method, path in OF_A_THING if method == "GET" and path not in TELLING_THE_TIME]
    answers = [await api.call("admin", "GET", at(path, things)) for path in read]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.text for answer in answers]


@pytest.mark.parametrize("route", OF_A_THING, ids=" ".join)
async def test_what_never_was_answers_as_another_tenants_does(playground: Front, route: Route) -> None:
    method, path = route
    body = {} if method == "GET" else {"json": BODIES[route]}
    problem(await playground.call("admin", method, at(path, NOTHING), **body), 404, "not-found")


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_of_another_tenant_holds_none_of_ours(playground: Front, path: str) -> None:
    things = await theirs(playground)
    answer = await playground.call("otherAdmin", "GET", at(path, things))
    for thing in (*things.values(), str(playground.seed.tenant_id)):
        assert thing not in answer.text.replace(answer.request.url.path, "")


async def test_the_printed_table_is_current() -> None:
    assert (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8") == permissions.markdown()
