"""What `summit up` prints once everything runs: the places, the logins, and one call that works when pasted."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from runtime.embedded.files import DataDir

EXAMPLE = {
    "customerEmail": "customer@example.com",
    "subject": "Unable to access dashboard",
    "description": "Getting 403 error when accessing /dashboard",
    "priority": "HIGH",
    "severity": "SEV2",
    "channel": "EMAIL",
    "category": "Technical Issue",
    "slaTier": "ENTERPRISE",
}


def announce(stack: Mapping[str, Any], files: DataDir, say: Callable[[str], None]) -> None:
    """Print URLs, logins and the example call of a ready stack."""
    say("")
    say("Summit is ready.")
    places = {
        "API documentation": f"{stack['apiUrl']}/docs",
        "Portal": stack["portalUrl"],
        "Temporal UI": stack["temporalUrl"] and f"{stack['temporalUrl']}/namespaces/{stack['temporalNamespace']}",
        "Mail": stack["mailDir"],
        "Mail in": stack["smtpPort"] and f"{stack['supportAddress']}, by SMTP at 127.0.0.1:{stack['smtpPort']}",
        "Logs": files.logs,
        "For scripts": files.stack_file,
    }
    for name, place in places.items():
        if place:
            say(f"  {name:<18} {place}")
    logins = stack.get("logins") or {}
    if logins:
        say("")
        say("Demo logins")
    for role, login in logins.items():
        say(f"  {role:<18} {login['email']:<34} {login['password']}")
    tokens = stack.get("tokens") or {}
    if "agent" in tokens and stack.get("tenantId"):
        say("")
        say("Create a ticket:")
        say(example_call(stack["apiUrl"], tokens["agent"], stack["tenantId"]))
    say("")
    say("Ctrl-C stops everything; the data stays.")


def example_call(api_url: str, token: str, tenant_id: str) -> str:
    """The guide's own example, as one command for any POSIX shell."""
    body = json.dumps({"tenantId": tenant_id, **EXAMPLE}, indent=2)
    return (
        f"curl -sS {api_url}/api/tickets \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )
