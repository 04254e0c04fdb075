"""The one table of who may call what: each route with its least role and a key's scope; `python -m api.permissions` prints it."""

from collections.abc import Iterable, Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from domain.identity import Role
from domain.keys import EVERYTHING

PUBLIC: Final = None
"""Answers without a token."""

Route = tuple[str, str]

LEAST_ROLE: Final[Mapping[Route, Role | None]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("POST", "/api/auth/token"): PUBLIC,
    ("GET", "/api/auth/oidc"): PUBLIC,
    ("POST", "/api/auth/password-reset"): PUBLIC,
    ("POST", "/api/auth/password"): PUBLIC,
    ("GET", "/api/me"): Role.CUSTOMER,
    ("PUT", "/api/me/preferences"): Role.CUSTOMER,
    ("PUT", "/api/me/availability"): Role.AGENT,
    ("GET", "/api/notifications"): Role.CUSTOMER,
    ("POST", "/api/notifications/{notification_id}/read"): Role.CUSTOMER,
    ("GET", "/api/notifications/log"): Role.ADMIN,
    ("POST", "/api/notifications/log/{notification_id}/redeliver"): Role.ADMIN,
    ("GET", "/api/mail-templates"): Role.ADMIN,
    ("GET", "/api/mail-templates/{template_name}"): Role.ADMIN,
    ("PUT", "/api/mail-templates/{template_name}"): Role.ADMIN,
    ("DELETE", "/api/mail-templates/{template_name}"): Role.ADMIN,
    ("POST", "/api/mail-templates/{template_name}/preview"): Role.ADMIN,
    ("POST", "/api/mail/suppressions"): Role.ADMIN,
    ("GET", "/api/mail/suppressions"): Role.ADMIN,
    ("GET", "/api/mail/suppressions/{address}"): Role.ADMIN,
    ("DELETE", "/api/mail/suppressions/{address}"): Role.ADMIN,
    ("POST", "/api/mailboxes"): Role.ADMIN,
    ("GET", "/api/mailboxes"): Role.AGENT,
    ("GET", "/api/mailboxes/{mailbox_id}"): Role.AGENT,
    ("PATCH", "/api/mailboxes/{mailbox_id}"): Role.ADMIN,
    ("DELETE", "/api/mailboxes/{mailbox_id}"): Role.ADMIN,
    ("POST", "/api/mail/inbound"): Role.LEAD,
    ("GET", "/api/mail/inbound"): Role.LEAD,
    ("GET", "/api/mail/inbound/{mail_id}"): Role.LEAD,
    ("GET", "/api/mail/inbound/{mail_id}/raw"): Role.LEAD,
    ("POST", "/api/mail/inbound/{mail_id}/accept"): Role.LEAD,
    ("POST", "/api/mail/inbound/{mail_id}/retry"): Role.LEAD,
    ("POST", "/api/mail/inbound/{mail_id}/discard"): Role.LEAD,
    ("POST", "/api/webhooks"): Role.ADMIN,
    ("GET", "/api/webhooks"): Role.ADMIN,
    ("GET", "/api/webhooks/{webhook_id}"): Role.ADMIN,
    ("PATCH", "/api/webhooks/{webhook_id}"): Role.ADMIN,
    ("DELETE", "/api/webhooks/{webhook_id}"): Role.ADMIN,
    ("GET", "/api/webhooks/{webhook_id}/deliveries"): Role.ADMIN,
    ("POST", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"): Role.ADMIN,
    ("GET", "/api/events"): Role.CUSTOMER,
    ("POST", "/api/api-keys"): Role.ADMIN,
    ("GET", "/api/api-keys"): Role.ADMIN,
    ("GET", "/api/api-keys/{key_id}"): Role.ADMIN,
    ("DELETE", "/api/api-keys/{key_id}"): Role.ADMIN,
    ("POST", "/api/users"): Role.ADMIN,
    ("GET", "/api/users"): Role.AGENT,
    ("GET", "/api/users/{user_id}"): Role.AGENT,
    ("PATCH", "/api/users/{user_id}"): Role.ADMIN,
    ("POST", "/api/teams"): Role.ADMIN,
    ("GET", "/api/teams"): Role.AGENT,
    ("GET", "/api/teams/{team_id}"): Role.AGENT,
    ("POST", "/api/customers/accounts"): Role.LEAD,
    ("GET", "/api/customers/accounts"): Role.CUSTOMER,
    ("GET", "/api/customers/accounts/{account_id}"): Role.CUSTOMER,
    ("PATCH", "/api/customers/accounts/{account_id}"): Role.LEAD,
    ("POST", "/api/tickets"): Role.CUSTOMER,
    ("GET", "/api/tickets"): Role.CUSTOMER,
    ("GET", "/api/tickets/{ticket_id}"): Role.CUSTOMER,
    ("PATCH", "/api/tickets/{ticket_id}"): Role.CUSTOMER,
    ("POST", "/api/tickets/{ticket_id}/comments"): Role.CUSTOMER,
    ("GET", "/api/tickets/{ticket_id}/comments"): Role.CUSTOMER,
    ("POST", "/api/tickets/{ticket_id}/attachments"): Role.CUSTOMER,
    ("GET", "/api/tickets/{ticket_id}/attachments"): Role.CUSTOMER,
    ("POST", "/api/attachments"): Role.CUSTOMER,
    ("GET", "/api/attachments/{attachment_id}"): Role.CUSTOMER,
    ("POST", "/api/tickets/{ticket_id}/rating"): Role.CUSTOMER,
    ("GET", "/api/tickets/{ticket_id}/ratings"): Role.AGENT,
    ("GET", "/api/ratings"): Role.AGENT,
    ("POST", "/api/ratings/{token}"): PUBLIC,
    ("GET", "/api/tickets/{ticket_id}/history"): Role.AGENT,
    ("GET", "/api/tickets/{ticket_id}/sla"): Role.CUSTOMER,
    ("POST", "/api/tickets/{ticket_id}/merge"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/links"): Role.AGENT,
    ("GET", "/api/tickets/{ticket_id}/links"): Role.AGENT,
    ("DELETE", "/api/tickets/{ticket_id}/links/{link_type}/{target_id}"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/watchers"): Role.AGENT,
    ("DELETE", "/api/tickets/{ticket_id}/watchers/{user_id}"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/cc"): Role.AGENT,
    ("DELETE", "/api/tickets/{ticket_id}/cc/{email}"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/calls"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/typing"): Role.CUSTOMER,
    ("POST", "/api/routing-rules"): Role.LEAD,
    ("GET", "/api/routing-rules"): Role.AGENT,
    ("GET", "/api/routing-rules/{routing_rule_id}"): Role.AGENT,
    ("PATCH", "/api/routing-rules/{routing_rule_id}"): Role.LEAD,
    ("DELETE", "/api/routing-rules/{routing_rule_id}"): Role.LEAD,
    ("POST", "/api/tickets/{ticket_id}/sla/{kind}/pause"): Role.LEAD,
    ("POST", "/api/tickets/{ticket_id}/sla/{kind}/resume"): Role.LEAD,
    ("POST", "/api/tickets/{ticket_id}/sla/{kind}/waive"): Role.LEAD,
    ("POST", "/api/sla/calendars"): Role.LEAD,
    ("GET", "/api/sla/calendars"): Role.AGENT,
    ("GET", "/api/sla/calendars/{calendar_id}"): Role.AGENT,
    ("PUT", "/api/sla/calendars/{calendar_id}"): Role.LEAD,
    ("DELETE", "/api/sla/calendars/{calendar_id}"): Role.LEAD,
    ("GET", "/api/sla/calendars/{calendar_id}/versions"): Role.AGENT,
    ("POST", "/api/sla/definitions"): Role.LEAD,
    ("GET", "/api/sla/definitions"): Role.AGENT,
    ("GET", "/api/sla/definitions/{definition_id}"): Role.AGENT,
    ("PUT", "/api/sla/definitions/{definition_id}"): Role.LEAD,
    ("DELETE", "/api/sla/definitions/{definition_id}"): Role.LEAD,
    ("POST", "/api/sla/definitions/{definition_id}/reapply"): Role.LEAD,
    ("GET", "/api/sla/definitions/{definition_id}/versions"): Role.AGENT,
    ("POST", "/api/sla/preview"): Role.AGENT,
    ("POST", "/api/escalation-rules"): Role.LEAD,
    ("GET", "/api/escalation-rules"): Role.AGENT,
    ("GET", "/api/escalation-rules/{rule_id}"): Role.AGENT,
    ("PATCH", "/api/escalation-rules/{rule_id}"): Role.LEAD,
    ("DELETE", "/api/escalation-rules/{rule_id}"): Role.LEAD,
    ("GET", "/api/escalation-rules/{rule_id}/versions"): Role.AGENT,
    ("GET", "/api/tickets/{ticket_id}/macros/{template_id}"): Role.AGENT,
    ("POST", "/api/tickets/{ticket_id}/macros/{template_id}"): Role.AGENT,
    ("POST", "/api/tickets/bulk"): Role.AGENT,
    ("POST", "/api/ticket-fields"): Role.ADMIN,
    ("GET", "/api/ticket-fields"): Role.CUSTOMER,
    ("GET", "/api/ticket-fields/{field_id}"): Role.CUSTOMER,
    ("PATCH", "/api/ticket-fields/{field_id}"): Role.ADMIN,
    ("DELETE", "/api/ticket-fields/{field_id}"): Role.ADMIN,
    ("POST", "/api/ticket-templates"): Role.LEAD,
    ("GET", "/api/ticket-templates"): Role.AGENT,
    ("GET", "/api/ticket-templates/{template_id}"): Role.AGENT,
    ("PATCH", "/api/ticket-templates/{template_id}"): Role.LEAD,
    ("DELETE", "/api/ticket-templates/{template_id}"): Role.LEAD,
    ("POST", "/api/views"): Role.AGENT,
    ("GET", "/api/views"): Role.AGENT,
    ("GET", "/api/views/counts"): Role.AGENT,
    ("GET", "/api/views/{view_id}"): Role.AGENT,
    ("PATCH", "/api/views/{view_id}"): Role.AGENT,
    ("DELETE", "/api/views/{view_id}"): Role.AGENT,
    ("GET", "/api/views/{view_id}/tickets"): Role.AGENT,
    ("GET", "/api/settings"): Role.AGENT,
    ("PATCH", "/api/settings"): Role.ADMIN,
    ("GET", "/api/jobs"): Role.AGENT,
    ("GET", "/api/jobs/{job_id}"): Role.AGENT,
    ("GET", "/api/sla/metrics"): Role.AGENT,
    ("GET", "/api/sla/breaches"): Role.AGENT,
    ("GET", "/api/sla/breaches/{breach_id}"): Role.AGENT,
    ("POST", "/api/sla/breaches/{breach_id}/acknowledge"): Role.AGENT,
    ("POST", "/api/sla/breaches/{breach_id}/waive"): Role.LEAD,
    ("POST", "/api/sla/breaches/{breach_id}/credit"): Role.LEAD,
    ("POST", "/api/sla/simulations"): Role.LEAD,
    ("GET", "/api/deadlines"): Role.AGENT,
    ("GET", "/api/deadlines/feed"): Role.AGENT,
    ("GET", "/api/deadlines.ics"): PUBLIC,
}

PEOPLE_ONLY: Final[frozenset[Route]] = frozenset(
    {
        ("PUT", "/api/me/preferences"),
        ("PUT", "/api/me/availability"),
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications/{notification_id}/read"),
        ("GET", "/api/deadlines/feed"),
        *(route for route in LEAST_ROLE if route[1].startswith("/api/views")),
    }
)
"""What an API key has none of: wishes, queues and views of its own, an inbox, promises that it owes."""

UNSCOPED: Final[frozenset[Route]] = frozenset({("GET", "/api/me")})
"""What a key may call whatever its scopes."""

ENOUGH: Final[frozenset[Route]] = frozenset({("POST", "/api/mail/inbound")})
"""What a key of any role may call if its scopes name it: a mail server is to hand mail over, and nothing else that a LEAD may."""

WHOLE: Final[frozenset[str]] = frozenset({"api-keys"})
"""Areas where a scope would be worth all others: only keys without scopes get in."""

READING: Final[frozenset[Route]] = frozenset(
    {("POST", "/api/sla/preview"), ("POST", "/api/mail-templates/{template_name}/preview")}
)
"""Calls that change nothing although they are not a GET."""


def scope_of(route: Route) -> str | None:
    """The scope that a key needs for a route: its area, which is what follows `/api/`, and whether it reads or writes.

    None where any key may call, or where no key is needed or none gets in.
    """
    method, path = route
    if LEAST_ROLE[route] is PUBLIC or route in PEOPLE_ONLY | UNSCOPED:
        return None
    area = path.split("/")[2].partition(".")[0]
    if area in WHOLE:
        return EVERYTHING
    return f"{area}:{'read' if method == 'GET' or route in READING else 'write'}"


SCOPE_OF: Final[Mapping[Route, str | None]] = {route: scope_of(route) for route in LEAST_ROLE}
SCOPES: Final = (EVERYTHING, *sorted({scope for scope in SCOPE_OF.values() if scope and scope != EVERYTHING}))
"""Every scope there is."""


class Ungranted(Exception):
    """The routes and the table differ."""


def routes_of(app: FastAPI) -> Iterable[tuple[Route, RouteContext]]:
    """Each route of our own, once per method."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for method in sorted(context.methods or ()):
                yield (method, context.path_format or ""), context


def check(app: FastAPI, table: Mapping[Route, Role | None] = LEAST_ROLE) -> None:
    """Refuse a route that nobody was granted, a grant without a route, and a signature that says otherwise."""
    declared: dict[Route, Role | None] = {}
    for route, context in routes_of(app):
        if route not in table:
            raise Ungranted(f"{' '.join(route)} is missing from LEAST_ROLE in api/permissions.py")
        declared[route] = table[route]
        roles = [call.least for call in _calls(context.dependant) if hasattr(call, "least")]
        if roles and max(roles, key=list(Role).index) is not table[route]:
            raise Ungranted(f"{' '.join(route)} takes {roles} in its signature and {table[route]} in LEAST_ROLE")
        if not roles and table[route] is not PUBLIC:
            raise Ungranted(f"{' '.join(route)} takes no principal in its signature, and {table[route]} in LEAST_ROLE")
    for route in table.keys() - declared.keys():
        raise Ungranted(f"{' '.join(route)} is in LEAST_ROLE and nowhere else")


def _calls(dependant: object) -> Iterable[object]:
    for sub in getattr(dependant, "dependencies", ()):
        yield sub.call
        yield from _calls(sub)


def markdown(table: Mapping[Route, Role | None] = LEAST_ROLE) -> str:
    """The table for readers."""
    lines = [
        "# Who may call what",
        "",
        "Printed by `python -m api.permissions`; each role from AGENT on includes the one before.",
        "A CUSTOMER sees the data of the own account only; another tenant's data does not exist for anybody (404).",
        "",
        f"An API key has a role too, and needs the scope beside the call unless it was made without scopes (`{EVERYTHING}`):",
        f"{', '.join(f'`{scope}`' for scope in SCOPES)}.",
        "",
        "| call | least role | scope of a key |",
        "|---|---|---|",
        *(
            f"| {method} {path} | {role or 'public'} | {in_words((method, path))} |"
            for (method, path), role in table.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def in_words(route: Route) -> str:
    """What a key needs for a route, as the table prints it."""
    if route in PEOPLE_ONLY:
        return "people only"
    scope = SCOPE_OF[route]
    enough = ", with any role" if route in ENOUGH else ""
    return f"`{scope}`{enough}" if scope else "none"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201
