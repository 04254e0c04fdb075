"""Webhooks: each event once, signed, tried again, given up, and in the order in which transactions became visible."""

import base64
import os
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from activities.notifications.facts import Sites
from tests.notifications.mailroom import Mailroom

HOOK = """
insert into webhooks (tenant_id, url, events, secret, format) values (%(tenant)s, %(url)s, %(events)s, %(secret)s, %(format)s)
returning id
"""
LATE = """
insert into events (tenant_id, type, entity, entity_id, version, at, internal, payload)
values (%s, 'ticket.late', 'ticket', %s, 1, now(), true, '{}')
"""


def secret() -> str:
    """A signing secret."""
    return "whsec_" + base64.b64encode(os.urandom(24)).decode()


async def hooked(room: Mailroom, path: str, *events: str, **values: Any) -> UUID:
    """A webhook of the demo's tenant."""
    named = {"secret": secret(), "format": "STANDARD", "tenant": room.seed.tenant_id, "url": room.receiver.url(path)}
    [row] = await room.rows(HOOK, **{**named, **values}, events=list(events or ("*",)))
    made = row["id"]
    assert isinstance(made, UUID)
    return made


async def deliveries(room: Mailroom, hook: UUID) -> list[dict[str, Any]]:
    """The log of a webhook, the oldest first."""
    return await room.rows("select * from webhook_deliveries where webhook_id = %(id)s order by event_seq", id=hook)


async def due_now(room: Mailroom) -> None:
    """Let the time pass until the next attempt."""
    await room.rows("update webhooks set rests_until = null")
    await room.rows("update webhook_deliveries set not_before = now() - interval '1 s'")


async def test_an_event_is_posted_once_with_a_signature_that_verifies(room: Mailroom) -> None:
    key = secret()
    hook = await hooked(room, "/signed", secret=key)
    entity = uuid.uuid4()
    await room.event("ticket.created", entity=entity)
    await room.dispatcher.drain()
    await room.dispatcher.drain()
    [call] = room.receiver.at("/signed")
    body = Webhook(key).verify(call.body, call.headers)
    assert body["type"] == "ticket.created"
    assert body["data"] == {"entity": "ticket", "id": str(entity), "version": 1, "number": 7}
    assert body["timestamp"].endswith("Z")
    [delivery] = await deliveries(room, hook)
    assert call.headers["webhook-id"] == str(delivery["id"])
    assert (delivery["response_status"], delivery["attempts"]) == (200, 1)


async def test_the_secret_before_signs_beside_the_new_one_until_its_time_is_over(room: Mailroom) -> None:
    old, new = secret(), secret()
    hook = await hooked(room, "/rotated", secret=new)
    spent = "update webhooks set previous_secret = %(old)s, previous_secret_until = %(until)s where id = %(id)s"
    for until, signs in ((timedelta(hours=1), (new, old)), (timedelta(seconds=-1), (new,))):
        await room.rows(spent, id=hook, old=old, until=datetime.now(UTC) + until)
        room.receiver.got.clear()
        await room.event()
        await room.dispatcher.drain()
        [call] = room.receiver.at("/rotated")
        assert len(call.headers["webhook-signature"].split(" ")) == len(signs)
        for key in signs:
            assert Webhook(key).verify(call.body, call.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(call.body, call.headers)


async def test_events_of_one_ticket_are_numbered_in_the_order_in_which_they_happened(room: Mailroom) -> None:
    hook = await hooked(room, "/numbered")
    entity = uuid.uuid4()
    room.receiver.answers["/numbered"] = [500, 200]
    events = [await room.event(kind, entity=entity) for kind in ("ticket.updated", "ticket.commented")]
    await room.dispatcher.drain()
    await room.rows("update webhooks set rests_until = null")
    await room.dispatcher.drain()
    await due_now(room)
    await room.dispatcher.drain()
    told = [(call.json["type"], call.json["sequence"]) for call in room.receiver.at("/numbered")]
    first, second = (event["seq"] for event in events)
    assert first < second
    assert told == [("ticket.updated", first), ("ticket.commented", second), ("ticket.updated", first)]
    assert [row["event_seq"] for row in await deliveries(room, hook)] == [first, second]


async def test_only_the_wanted_events_of_the_own_tenant_come(room: Mailroom) -> None:
    await hooked(room, "/some", "ticket.created", "incident.*")
    await hooked(room, "/other", tenant=room.seed.other_tenant_id)
    for kind in ("ticket.created", "ticket.updated", "incident.opened"):
        await room.event(kind)
    await room.dispatcher.drain()
    assert [call.json["type"] for call in room.receiver.at("/some")] == ["ticket.created", "incident.opened"]
    assert room.receiver.at("/other") == []


async def test_what_happened_before_a_webhook_was_made_is_not_told(room: Mailroom) -> None:
    await room.event()
    await hooked(room, "/new")
    await room.dispatcher.drain()
    assert room.receiver.at("/new") == []


async def test_a_late_commit_is_not_passed_by(room: Mailroom) -> None:
    hook = await hooked(room, "/late")
    async with await psycopg.AsyncConnection.connect(room.database.owner.conninfo()) as slow:
        await slow.execute(LATE, (room.seed.tenant_id, uuid.uuid4()))
        await room.event("ticket.quick")
        await room.dispatcher.drain()
        assert await deliveries(room, hook) == []
        await slow.commit()
    await room.dispatcher.drain()
    assert [call.json["type"] for call in room.receiver.at("/late")] == ["ticket.late", "ticket.quick"]


async def test_a_failing_receiver_is_tried_again_with_the_same_id_and_then_given_up(room: Mailroom) -> None:
    hook = await hooked(room, "/down")
    await hooked(room, "/up")
    room.receiver.answers["/down"] = [500]
    await room.event()
    await room.dispatcher.drain()
    assert len(room.receiver.at("/up")) == 1
    for _ in range(20):
        await due_now(room)
        await room.dispatcher.drain()
    calls = room.receiver.at("/down")
    assert len(calls) == 11
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    assert len({call.body for call in calls}) == 1
    [delivery] = await deliveries(room, hook)
    assert (delivery["last_error"], delivery["response_status"]) == ("The receiver answers 500.", 500)
    assert delivery["dead_at"] is not None
    assert len(room.receiver.at("/up")) == 1


async def test_a_receiver_that_recovers_gets_it(room: Mailroom) -> None:
    hook = await hooked(room, "/flaky")
    room.receiver.answers["/flaky"] = [503, 200]
    await room.event()
    await room.dispatcher.drain()
    assert len(room.receiver.at("/flaky")) == 1
    await due_now(room)
    await room.dispatcher.drain()
    [delivery] = await deliveries(room, hook)
    assert (delivery["attempts"], delivery["delivered_at"] is not None, delivery["last_error"]) == (2, True, None)


@pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 503])
async def test_what_may_pass_is_tried_again_and_redirects_are_not_followed(room: Mailroom, status: int) -> None:
    hook = await hooked(room, "/odd")
    room.receiver.answers["/odd"] = [status, 200]
    await room.event()
    await room.dispatcher.drain()
    [delivery] = await deliveries(room, hook)
    assert (delivery["response_status"], delivery["last_error"]) == (status, f"The receiver answers {status}.")
    assert delivery["dead_at"] is None
    assert [call.path for call in room.receiver.got] == ["/odd"]
    await due_now(room)
    await room.dispatcher.drain()
    [delivery] = await deliveries(room, hook)
    assert (delivery["delivered_at"] is not None, delivery["attempts"]) == (True, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
async def test_what_the_receiver_refuses_is_not_tried_again_and_the_log_says_so(room: Mailroom, status: int) -> None:
    hook = await hooked(room, "/never")
    room.receiver.answers["/never"] = [status, 200]
    for _ in range(2):
        await room.event()
    for _ in range(3):
        await room.dispatcher.drain()
        await due_now(room)
    refused, taken = await deliveries(room, hook)
    assert (refused["response_status"], refused["last_error"]) == (status, f"The receiver refuses it ({status}).")
    assert (refused["attempts"], refused["dead_at"] is not None) == (1, True)
    assert (taken["attempts"], taken["delivered_at"] is not None) == (1, True)


async def test_a_target_inside_the_network_is_not_called(room: Mailroom) -> None:
    hook = await hooked(room, "", url="http://169.254.169.254/latest/meta-data")
    await room.event()
    await room.dispatcher.drain()
    [delivery] = await deliveries(room, hook)
    assert delivery["last_error"] == "The URL names an address in a network that we do not call."
    assert delivery["dead_at"] is not None


async def test_a_chat_gets_a_line(room: Mailroom) -> None:
    await hooked(room, "/slack", format="SLACK")
    ticket = await room.ticket("A <odd> subject")
    await room.event("ticket.updated", entity=ticket)
    await room.dispatcher.drain()
    [call] = room.receiver.at("/slack")
    assert call.json["text"].startswith(f"ticket.updated: <https://help.shop.example/tickets/{ticket}|SUP-")
    assert "A &lt;odd&gt; subject" in call.json["text"]


async def test_without_a_portal_the_line_names_the_ticket_only(room: Mailroom, monkeypatch: pytest.MonkeyPatch) -> None:
    [lane] = [each for each in room.dispatcher.lanes if each.name == "webhooks"]
    monkeypatch.setattr(lane, "sites", Sites("https://api.shop.example", None))
    await hooked(room, "/bare", format="SLACK")
    await room.event("ticket.updated", entity=await room.ticket("Printer"))
    await room.dispatcher.drain()
    [call] = room.receiver.at("/bare")
    assert re.fullmatch(r"ticket\.updated: SUP-\d+ Printer", call.json["text"])


async def test_an_inactive_webhook_is_left_alone(room: Mailroom) -> None:
    hook = await hooked(room, "/off")
    await room.event()
    await room.rows("update webhooks set active = false where id = %(id)s", id=hook)
    await room.dispatcher.drain()
    assert room.receiver.got == []


async def test_a_webhook_that_fails_rests_and_what_waits_for_it_is_not_worn_out(room: Mailroom) -> None:
    hook = await hooked(room, "/ill")
    await hooked(room, "/well")
    room.receiver.answers["/ill"] = [500]
    for _ in range(10):
        await room.event()
    await room.dispatcher.drain()
    assert (len(room.receiver.at("/ill")), len(room.receiver.at("/well"))) == (1, 10)
    assert [row["attempts"] for row in await deliveries(room, hook)] == [1] + [0] * 9
    room.receiver.answers["/ill"] = [200]
    await due_now(room)
    await room.dispatcher.drain()
    assert len(room.receiver.at("/ill")) == 11
    [row] = await room.rows("select failures, rests_until from webhooks where id = %(id)s", id=hook)
    assert (row["failures"], row["rests_until"]) == (0, None)


async def test_a_webhook_rests_ever_longer_up_to_five_minutes(room: Mailroom) -> None:
    hook = await hooked(room, "/ill")
    room.receiver.answers["/ill"] = [500]
    await room.event()
    rests = []
    for _ in range(11):
        await due_now(room)
        await room.dispatcher.drain()
        [row] = await room.rows(
            "select extract(epoch from rests_until - now()) as s from webhooks where id = %(id)s", id=hook
        )
        rests.append(float(row["s"]))
    for longest, rest in zip((4, 8, 16, 300), (*rests[2:5], rests[-1]), strict=True):
        assert longest / 2 < rest <= longest
