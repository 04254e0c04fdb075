"""The demo's tickets: a desk in the middle of its day, told once to the REST API by those who live it."""

import asyncio
import http.client
import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError

from cli.demo_records import RECORDS, Record

TRIES: Final = 20
"""How often a call is sent, a second apart, while the API is away: it may be restarted under our hands."""
CALL_SECONDS: Final = 10.0

TAG: Final = "demo"


@dataclass(frozen=True)
class Step:
    """What somebody does to a ticket: say something, or change it."""

    who: str
    fields: Mapping[str, Any]

    @property
    def says(self) -> bool:
        """Whether it is a comment."""
        return "body" in self.fields


@dataclass(frozen=True)
class Story:
    """A ticket and what happened to it; `who` are logins of the demo, as are assignees."""

    key: str
    who: str
    fields: Mapping[str, Any]
    steps: tuple[Step, ...] = ()


def opened(who: str, key: str, email: str, subject: str, description: str, *steps: Step, **fields: Any) -> Story:
    """A ticket that `who` opens."""
    body = {"customerEmail": email, "subject": subject, "description": description, "tags": [TAG], **fields}
    return Story(key, who, body, steps)


def say(who: str, body: str, **fields: Any) -> Step:
    """A comment."""
    return Step(who, {"body": body, **fields})


def change(who: str, **fields: Any) -> Step:
    """A change."""
    return Step(who, fields)


STORIES: Final = (
    opened(
        "customer",
        "checkout",
        "customer@example.com",
        "Checkout fails for every card payment",
        "Since 09:40 every card payment ends with 'gateway timeout'. Invoices by bank transfer still work.",
        change("agent", assigneeId="agent", status="IN_PROGRESS"),
        say("agent", "I see the timeouts as well and have called in the payments engineers."),
        say("lead", "Gateway certificate ran out on one of three nodes; node is out of rotation.", internal=True),
        say("customer", "Two of three payments go through now. Please keep us posted."),
        severity="SEV1",
        priority="URGENT",
        category="Payments",
    ),
    opened(
        "agent",
        "sso",
        "it@granite.example",
        "Single sign-on loops for new staff",
        "Anyone who joined this week is sent back to the login page after signing in with our identity provider.",
        change("agent", status="IN_PROGRESS"),
        say("agent", "Their directory sends a second group claim since Monday.", internal=True),
        say("agent", "We accept the new claim from today's release on. Could somebody who joined this week try again?"),
        severity="SEV2",
        priority="HIGH",
        channel="PHONE",
        category="Sign-in",
        assigneeId="agent",
    ),
    opened(
        "agent",
        "label-printer",
        "dispatch@pine.example",
        "Label printer prints blank labels",
        "After the update of last night all labels from dock 4 come out blank.",
        say("agent", "Which driver version does the print dialog show?", status="PENDING_CUSTOMER"),
        severity="SEV3",
        channel="EMAIL",
        category="Hardware",
        assigneeId="agent",
    ),
    opened(
        "customer",
        "csv-export",
        "customer@example.com",
        "CSV export cuts off umlauts",
        "Names such as Müller arrive as M?ller when the export is opened in a spreadsheet.",
        change("agent", assigneeId="agent"),
        say("agent", "The export now begins with a byte order mark; spreadsheets read it as UTF-8.", status="RESOLVED"),
        severity="SEV4",
        priority="LOW",
        category="Reporting",
    ),
    opened(
        "customer",
        "seats",
        "customer@example.com",
        "Ten more seats for our Lisbon office",
        "We open an office in Lisbon next month and need ten more seats from the 1st.",
        change("lead", assigneeId="lead"),
        say("lead", "The seats are on your contract from the 1st.", status="RESOLVED"),
        change("customer", status="CLOSED"),
        say("customer", "Two colleagues join later: can we have twelve seats instead of ten?"),
        priority="LOW",
        severity="SEV4",
        category="Billing",
    ),
    opened(
        "agent",
        "double-order",
        "orders@birch.example",
        "Ordered the starter pack twice",
        "We clicked twice. Please cancel one of the two orders.",
        change("agent", status="CANCELLED", reason="The second order had been refused by itself; nothing to do."),
        priority="LOW",
        severity="SEV4",
        channel="CHAT",
        category="Billing",
    ),
    opened(
        "agent",
        "slow-reports",
        "analytics@granite.example",
        "Month-end report takes forty minutes",
        "The month-end report took three minutes until June. It must be done by 18:00 Tokyo time.",
        change("lead", assigneeId="lead", severity="SEV2", reason="A regulator's deadline hangs on it."),
        say("lead", "Waits for the index that database operations build tonight.", internal=True),
        change("lead", status="PENDING_INTERNAL"),
        priority="HIGH",
        channel="PORTAL",
        category="Reporting",
    ),
    opened(
        "agent",
        "webhook",
        "dev@pine.example",
        "Webhook deliveries arrive twice",
        "Our endpoint receives every delivery twice since it moved behind a load balancer.",
        say("agent", "The balancer answers after 30 s, so we send again; please deduplicate by webhook-id."),
        channel="API",
        category="Integrations",
        assigneeId="agent",
    ),
    opened(
        "agent",
        "opening-hours",
        "owner@birch.example",
        "How do I change our opening hours?",
        "We close on Mondays from now on.",
        priority="LOW",
        severity="SEV4",
        channel="EMAIL",
        category="How-to",
    ),
    opened(
        "customer",
        "dashboard",
        "customer@example.com",
        "Dashboard shows yesterday's figures",
        "The sales dashboard has not moved since midnight.",
        priority="HIGH",
        severity="SEV3",
        category="Reporting",
    ),
    opened(
        "agent",
        "vpn",
        "noc@granite.example",
        "VPN tunnel drops every hour",
        "The tunnel from Osaka drops on the hour and is back after ninety seconds.",
        change("agent", assigneeId="agent", status="IN_PROGRESS"),
        say("agent", "Rekeying fails when both ends begin at once; we have staggered ours."),
        say("agent", "It held over two full hours.", status="RESOLVED"),
        change("lead", status="OPEN", reason="It dropped again at 14:00."),
        severity="SEV2",
        priority="URGENT",
        channel="PHONE",
        category="Network",
    ),
    opened(
        "otherAdmin",
        "badge",
        "facilities@globex.example",
        "Badge reader at gate 2 is dead",
        "No light, no beep. Gate 2 is open until it works.",
        change("otherAdmin", status="IN_PROGRESS", assigneeId="otherAdmin"),
        priority="HIGH",
        severity="SEV2",
        channel="PHONE",
        category="Facilities",
    ),
)

LAST: Final = opened(
    "otherAdmin",
    "newsletter",
    "press@globex.example",
    "Newsletter went out without pictures",
    "All pictures of this morning's newsletter are broken links.",
    channel="EMAIL",
    category="Marketing",
)
"""Told when all others have been: where it is found, nothing is left to tell."""


class Unanswered(Exception):
    """The API refused a call, or stayed away."""


class Teller:
    """Tells the stories to the API at `url`, under the tokens of the demo's logins."""

    def __init__(self, url: str, tokens: Mapping[str, str]) -> None:
        self.url = url
        self.tokens = tokens
        self.people: dict[str, str] = {}
        self.teams: dict[str, str] = {}

    async def tell_all(self) -> int:
        """Tell what has not been told; how many tickets there were to tell of."""
        seen = await self.call(LAST.who, "GET", f"/api/tickets?tag={TAG}&q={LAST.fields['subject'].split()[0]}")
        if seen["data"]:
            return 0
        await self.meet()
        await asyncio.gather(*map(self.tell, STORIES))
        for record in RECORDS:
            await self.furnish(record)
        await self.tell(LAST)
        return len(STORIES) + 1

    async def meet(self) -> None:
        """Learn the ids of people and teams."""
        for login in ("agent", "lead", "otherAdmin"):
            self.people[login] = (await self.call(login, "GET", "/api/me"))["id"]
        self.teams = {team["name"]: team["id"] for team in (await self.call("lead", "GET", "/api/teams"))["data"]}

    async def furnish(self, record: Record) -> None:
        """Have a record, unless one of its name is there."""
        kept = (await self.call(record.who, "GET", record.path))["data"]
        if all(each[record.named_by] != record.fields[record.named_by] for each in kept):
            await self.call(record.who, "POST", record.path, self.placed(record.fields))

    def placed(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields with a team's id where its name stood, also among a macro's changes."""
        found = dict(fields)
        if "teamId" in found:
            found["teamId"] = self.teams[found["teamId"]]
        if "changes" in found:
            found["changes"] = self.placed(found["changes"])
        return found

    async def tell(self, story: Story) -> None:
        """One ticket's story. Each call has a key of its own, so that a story broken off can be told from the start."""
        ticket = await self.call(story.who, "POST", "/api/tickets", story.fields, f"demo-{story.key}")
        path = f"/api/tickets/{ticket['id']}"
        for number, step in enumerate(story.steps, 1):
            method, place = ("POST", f"{path}/comments") if step.says else ("PATCH", path)
            await self.call(step.who, method, place, step.fields, f"demo-{story.key}-{number}")

    async def call(
        self, who: str, method: str, path: str, fields: Mapping[str, Any] | None = None, key: str = ""
    ) -> dict[str, Any]:
        """One call, repeated while the API is away. Raises Unanswered."""
        body = None
        if fields is not None:
            named = {"assigneeId": self.people[fields["assigneeId"]]} if "assigneeId" in fields else {}
            body = json.dumps({**fields, **named}).encode()
        headers = {"Authorization": f"Bearer {self.tokens[who]}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310
        for attempt in range(TRIES):
            answer = await asyncio.to_thread(sent, request)
            if answer is not None:
                return answer
            if attempt < TRIES - 1:
                await asyncio.sleep(1.0)
        raise Unanswered(f"{method} {path} was not answered")


def sent(request: urllib.request.Request) -> dict[str, Any] | None:
    """The answer; None when the API is away. Raises Unanswered for a refusal."""
    # Plain urllib, as in cli.stack: an HTTP client would double the supervisor's start-up time.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=CALL_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return None
            raise Unanswered(f"{request.method} {request.selector} was answered {error.code}") from None
    except (OSError, http.client.HTTPException):
        return None


async def tell_demo(url: str, tokens: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Have the demo's tickets in the system; what goes wrong is a line, because an installation works without them."""
    try:
        await Teller(url, tokens).tell_all()
    except (Unanswered, KeyError, ValueError) as error:
        report(f"The demo's tickets are incomplete ({error}); the next start tells the rest")
