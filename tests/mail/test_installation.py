"""A conversation by mail through a whole installation, as `make up` starts it: SMTP in, the mail directory out, nothing between."""

import asyncio
import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from runtime.embedded.processes import until
from tests.mail.postoffice import fresh, letter, written_under
from tests.mail.test_d18_bounces import report


class Correspondents:
    """Who write to the desk, and who read what it sends."""

    def __init__(self, stack: dict[str, Any], http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.http = http

    async def write(self, mail: EmailMessage) -> None:
        """By SMTP, to whom the mail says."""
        await asyncio.to_thread(self._write, str(mail["From"]), str(mail["To"]), mail.as_bytes())

    async def bounce(self, mail: EmailMessage) -> None:
        """A server could not deliver a mail that it got, and says so to whom the envelope named."""
        told = report(str(mail["To"]), str(mail["Message-ID"]).strip("<>").partition("@")[0])
        await asyncio.to_thread(self._write, "", str(mail["Return-Path"]).strip("<>"), told)

    def _write(self, sender: str, recipient: str, raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.stack["smtpPort"], local_hostname="mx.example", timeout=20) as client:
            client.sendmail(sender, recipient, raw)

    async def got(self, address: str, said: str) -> EmailMessage:
        """The first mail to somebody that says this, once it has come."""
        found: list[EmailMessage] = []

        async def came() -> bool:
            raw = [path.read_bytes() for path in Path(self.stack["mailDir"]).glob("new/*")]
            mails = [message_from_bytes(each, policy=policy.default) for each in raw if said.encode() in each]
            found[:] = [each for each in mails if each["To"] == address]
            return bool(found)

        await until(came, seconds=20)
        return found[0]

    async def read(self, url: str, who: str = "agent") -> Any:
        """What the desk sees."""
        headers = {"Authorization": f"Bearer {self.stack['tokens'][who]}"}
        response = await self.http.get(url, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    async def told(self, url: str, body: str) -> None:
        """The agent answers on the desk, and waits for the customer."""
        said = {"body": body, "status": "PENDING_CUSTOMER"}
        assert (await self.http.post(f"{url}/comments", json=said)).status_code == 201

    async def comments(self, url: str, count: int) -> list[tuple[str, str]]:
        """Who has said what, once so much was said."""
        found: list[tuple[str, str]] = []

        async def there() -> bool:
            page = await self.read(f"{url}/comments?sort=createdAt")
            found[:] = [(each["author"]["role"], each["body"]) for each in page["data"]]
            return len(found) >= count

        await until(there, seconds=20)
        return found

    async def clocks(self, url: str) -> dict[str, str]:
        """Where each promise stands."""
        return {each["kind"]: each["state"] for each in (await self.read(f"{url}/sla"))["clocks"]}


async def test_d24_d27_customer_and_agent_answer_each_others_mails_on_one_ticket(summit: dict[str, Any]) -> None:
    sender, agent = fresh(), summit["logins"]["agent"]["email"]
    headers = {"Authorization": f"Bearer {summit['tokens']['agent']}"}
    async with httpx.AsyncClient(base_url=summit["apiUrl"], headers=headers, timeout=20) as http:
        people = Correspondents(summit, http)
        asked = letter("It burns.", sender=sender, to=summit["supportAddress"], subject="Printer on fire")
        await people.write(asked)
        greeting = await people.got(sender, "We have received your request")
        [ticket] = (await people.read(f"/api/tickets?customerEmail={sender}"))["data"]
        url = f"/api/tickets/{ticket['id']}"
        assert ticket["channel"] == "EMAIL"
        assert (await http.patch(url, json={"assigneeId": (await people.read("/api/me"))["id"]})).status_code == 200

        # The agent never opens the desk: the answer to the mail that they got is their answer, though no server vouches for it.
        await people.write(written_under(greeting, "It still burns."))
        notice = await people.got(agent, "It still burns.")
        await people.write(written_under(notice, "Have you tried water?", sender=agent))
        first = await people.got(sender, "Have you tried water?")
        assert (await people.clocks(url))["FIRST_RESPONSE"] == "MET"

        await people.told(url, "And sand?")
        second = await people.got(sender, "And sand?")
        assert (await people.clocks(url))["RESOLUTION"] == "PAUSED"
        reply = written_under(second, "It is out now.")
        for _ in range(2):
            await people.write(reply)
        said = [("CUSTOMER", "It still burns."), ("AGENT", "Have you tried water?"), ("AGENT", "And sand?")]
        assert await people.comments(url, 4) == [*said, ("CUSTOMER", "It is out now.")]
        assert (await people.read(url))["status"] == "OPEN"
        assert (await people.clocks(url))["RESOLUTION"] == "RUNNING"

        await people.write(written_under(second, "Thank you."))
        assert [body for _, body in await people.comments(url, 5)][3:] == ["It is out now.", "Thank you."]
        assert len((await people.read(f"/api/tickets?customerEmail={sender}"))["data"]) == 1

    sent = [greeting, first, second]
    assert len({mail["Message-ID"] for mail in (asked, *sent, reply)}) == 5
    assert [mail["References"].split()[1] for mail in sent] == [asked["Message-ID"]] * 3
    assert {mail["Reply-To"] for mail in sent} == {reply["To"]} != {notice["Reply-To"]}
    assert len({mail["Return-Path"] for mail in sent}) == 3


async def test_d18_a_bounce_to_the_return_path_of_a_mail_in_the_directory_is_seen_and_ends_the_writing(
    summit: dict[str, Any],
) -> None:
    sender = fresh()
    async with httpx.AsyncClient(base_url=summit["apiUrl"], timeout=20) as http:
        people = Correspondents(summit, http)
        await people.write(letter(sender=sender, to=summit["supportAddress"]))
        greeting = await people.got(sender, "We have received your request")
        [ticket] = (await people.read(f"/api/tickets?customerEmail={sender}"))["data"]
        await people.bounce(greeting)

        async def seen() -> bool:
            parked = await people.read(f"/api/mail/inbound?reason=BOUNCE&ticketId={ticket['id']}", "lead")
            return [each["detail"] for each in parked["data"]] == [f"{sender}: failed 5.1.1"]

        await until(seen, seconds=20)
        suppressed = (await people.read("/api/mail/suppressions?limit=100", "admin"))["data"]
        assert sender in [each["address"] for each in suppressed]
        assert (await people.read(f"/api/tickets/{ticket['id']}"))["version"] == ticket["version"]
