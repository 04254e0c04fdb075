"""A ticket's way through a whole installation, as `make up` starts it, by HTTP alone; and what Temporal has of it."""

from typing import Any
from uuid import uuid4

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.api.tickets.office import EXAMPLE
from workflows.tickets import TicketWorkflow


async def signed_in(http: httpx.AsyncClient, login: dict[str, str]) -> dict[str, str]:
    """The headers of somebody who gave address and password."""
    form = {"username": login["email"], "password": login["password"]}
    response = await http.post("/api/auth/token", data=form)
    assert response.status_code == 200, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


async def test_a_ticket_lives_from_the_guides_example_to_its_end(summit: dict[str, Any]) -> None:
    word = f"w{uuid4().hex}"
    async with httpx.AsyncClient(base_url=summit["apiUrl"], timeout=20) as http:
        agent = await signed_in(http, summit["logins"]["agent"])
        customer = await signed_in(http, summit["logins"]["customer"])

        body = {"tenantId": summit["tenantId"], **EXAMPLE}
        key = {"Idempotency-Key": word}
        created = await http.post("/api/tickets", json=body, headers=agent | key)
        assert created.status_code == 201, created.text
        ticket, url = created.json(), created.headers["location"]
        assert {name: ticket[name] for name in EXAMPLE} == EXAMPLE
        assert (await http.post("/api/tickets", json=body, headers=agent | key)).json() == ticket

        tag = (await http.get(url, headers=customer)).headers["etag"]
        waiting = await http.patch(url, json={"status": "PENDING_CUSTOMER"}, headers=agent | {"If-Match": tag})
        assert (waiting.status_code, waiting.json()["sla"]["nextKind"]) == (200, "FIRST_RESPONSE")

        replied = await http.post(url + "/comments", json={"body": f"It was {word}"}, headers=customer)
        assert (replied.status_code, replied.json()["ticketId"]) == (201, ticket["id"])
        assert (await http.get(url, headers=agent)).json()["status"] == "OPEN"
        found = (await http.get("/api/tickets", params={"q": word}, headers=agent)).json()["data"]
        assert [each["id"] for each in found] == [ticket["id"]]

        await http.patch(url, json={"status": "RESOLVED"}, headers=agent)
        closed = await http.patch(url, json={"status": "CLOSED"}, headers=customer)
        assert (closed.status_code, closed.json()["allowedTransitions"]) == (200, [])
        history = (await http.get(url + "/history", headers=agent)).json()["data"]
        assert [entry["revision"] for entry in history] == [5, 4, 3, 2, 1]

    client = await Client.connect(
        summit["temporalAddress"], namespace=summit["temporalNamespace"], data_converter=pydantic_data_converter
    )
    handle = client.get_workflow_handle(f"ticket/{ticket['id']}")
    assert (await handle.result())["state"]["status"] == "CLOSED"
    replayer = Replayer(workflows=[TicketWorkflow], data_converter=pydantic_data_converter)
    await replayer.replay_workflow(await handle.fetch_history())
