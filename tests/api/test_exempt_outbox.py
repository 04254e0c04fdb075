"""What the outbox' functions that row-level security does not bind let through, and what not: notices, webhooks, events, tokens."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from cli.demo import DemoSeed
from domain.customers import Tier
from tests.api.exempt import LONG_AGO, Rows

COMMENT = """
insert into ticket_comments (id, tenant_id, ticket_id, revision, author_name, author_role, body, internal, created_at)
values (%s, %s, %s, 1, 'A', 'AGENT', 'Hello', false, now())
"""
EVENT = """
insert into events (tenant_id, type, entity, entity_id, version, at, internal, payload)
values (%s, 'ticket.created', 'ticket', gen_random_uuid(), 1, %s, false, '{}') returning seq
"""
HOOK = """
insert into webhooks (tenant_id, url, events, secret, active, after_xid)
values (%s, 'https://hook.example', '{*}', 'whsec_', %s, 0) returning id
"""
DELIVERY = """
insert into webhook_deliveries (tenant_id, webhook_id, event_seq, type, entity, entity_id, body, not_before)
select tenant_id, id, %s, 'x', 'ticket', gen_random_uuid(), '{}', %s from webhooks where id = %s returning id
"""
TOKEN = """
insert into password_tokens (tenant_id, user_id, purpose, hash, expires_at, used_at) values (%s, %s, 'RESET', %s, %s, %s)
"""

LEASE = "select id from lease_notifications(%s, %s, %s, 60)"


async def test_a_lease_takes_the_first_due_row_of_each_recipient_of_every_tenant_once(rows: Rows) -> None:
    first, other = rows.notice(), rows.notice(rows.others, due=LONG_AGO + timedelta(seconds=1))
    rows.notice(due=LONG_AGO + timedelta(hours=1))
    assert rows.seen(LEASE, ["SLACK"], [], 1) == [(first,)]
    assert rows.seen(LEASE, ["SLACK"], [f"{rows.mine}/SLACK/a@shop.example"], 9) == [(other,)]
    assert rows.one("select attempts from notifications where id = %s", first) == 1


async def test_a_lease_leaves_what_is_done_not_due_taken_or_of_another_channel(rows: Rows) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    rows.notice(recipient="done", delivered=LONG_AGO)
    rows.notice(recipient="dead", dead=LONG_AGO)
    rows.notice(recipient="later", due=soon)
    rows.notice(recipient="taken", leased=soon)
    rows.notice(recipient="digested", digest=uuid.uuid4())
    rows.notice(recipient="mail@shop.example", channel="EMAIL")
    run_out = rows.notice(recipient="run out", leased=LONG_AGO)
    assert rows.seen(LEASE, ["SLACK"], [], 9) == [(run_out,)]


FACTS = (
    "select subject, comment, email, recent, waiting from notification_facts(%s, '{digest}', now() - interval '1 min')"
)


async def test_facts_are_those_of_the_rows_own_tenant(rows: Rows, seed: DemoSeed) -> None:
    ticket, comment = rows.ticket(), uuid.uuid4()
    rows.connection.execute(COMMENT, (comment, rows.mine, ticket))
    told = {"recipient": str(seed.users["agent"]), "process": ticket, "payload": f'{{"commentId": "{comment}"}}'}
    own, theirs = rows.notice(**told), rows.notice(rows.others, **told)
    assert rows.seen(FACTS, [own]) == [("S", "Hello", "agent@acme-support.example", 0, 0)]
    assert rows.seen(FACTS, [theirs]) == [(None, None, None, 0, 0)]


@pytest.mark.parametrize("odd", ["", "x", "0198c7f2", "{}", "a@b.example", "role:LEAD"])
async def test_facts_of_an_odd_row_are_none_and_no_error(rows: Rows, odd: str) -> None:
    row = rows.notice(recipient=odd, payload=f'{{"commentId": "{odd}"}}')
    assert rows.seen(FACTS, [row]) == [(None, None, None, 0, 0)]


async def test_facts_count_the_mail_to_one_of_the_staff(rows: Rows, seed: DemoSeed) -> None:
    rows.connection.execute("delete from notifications")
    agent, customer = (str(seed.users[who]) for who in ("agent", "customer"))
    now = datetime.now(UTC)
    for recipient in (agent, customer):
        mail = {"recipient": recipient, "channel": "EMAIL"}
        rows.notice(**mail, delivered=now)
        rows.notice(**mail, delivered=LONG_AGO)
        rows.notice(**mail, template="escalated")
        waiting = rows.notice(**mail, template="escalated")
        expected = (1, 2) if recipient == agent else (0, 0)
        assert [tuple(row[3:]) for row in rows.seen(FACTS, [waiting])] == [expected]


async def test_what_was_delivered_is_noted_with_what_its_digest_tells_of_and_its_token_is_dropped(rows: Rows) -> None:
    digest = rows.notice(payload='{"token": "t", "count": 1}')
    gathered, other = rows.notice(rows.others, digest=digest), rows.notice()
    dead = rows.notice(dead=LONG_AGO)
    assert rows.seen("select deliver_notifications(%s)", [digest, dead]) == [(2,)]
    query = "select delivered_at is not null, payload::text from notifications where id = %s"
    told = [rows.connection.execute(query, (row,)).fetchone() for row in (digest, gathered, other, dead)]
    assert told == [(True, '{"count": 1}'), (True, "{}"), (False, "{}"), (False, "{}")]
    assert rows.seen("select deliver_notifications(%s)", [digest]) == [(0,)]


async def test_deliveries_are_leased_one_per_active_webhook(rows: Rows) -> None:
    hook, theirs, off = (
        rows.one(HOOK, rows.mine, True),
        rows.one(HOOK, rows.others, True),
        rows.one(HOOK, rows.mine, False),
    )
    first = rows.one(DELIVERY, 1, LONG_AGO, hook)
    rows.one(DELIVERY, 2, LONG_AGO + timedelta(hours=1), hook)
    rows.one(DELIVERY, 3, LONG_AGO, off)
    other = rows.one(DELIVERY, 4, LONG_AGO, theirs)
    query = "select id, url from lease_webhook_deliveries(%s, 9, 60)"
    assert rows.seen(query, [theirs]) == [(first, "https://hook.example")]
    assert rows.seen(query, [hook]) == [(other, "https://hook.example")]


async def test_failing_webhooks_are_the_active_ones_with_what_waits_and_what_was_given_up(rows: Rows) -> None:
    rows.connection.execute("update webhooks set failures = 0")
    hook, well, off = (rows.one(HOOK, rows.others, active) for active in (True, True, False))
    rows.connection.execute("update webhooks set failures = 7 where id = any(%s)", ([hook, off],))
    rows.connection.execute("update webhooks set failures = 2 where id = %s", (well,))
    ends = ("null", "dead_at = now()", "dead_at = %s", "delivered_at = now()")
    for number, end in enumerate(ends):
        delivery = rows.one(DELIVERY, number, LONG_AGO, hook)
        if end != "null":
            values = (LONG_AGO, delivery) if "%s" in end else (delivery,)
            rows.connection.execute(f"update webhook_deliveries set {end} where id = %s", values)
    [(slug,)] = rows.connection.execute("select slug from tenants where id = %s", (rows.others,)).fetchall()
    assert rows.seen("select * from failing_webhooks(3)") == [(slug, hook, 7, 1, 1)]


async def test_the_pump_and_the_stream_read_nothing_of_a_transaction_that_is_open(rows: Rows) -> None:
    seq = rows.one(EVENT, rows.mine, LONG_AGO)
    hook = rows.one(HOOK, rows.mine, True)
    rows.seen("select pump_webhooks(100000)")
    assert rows.one("select count(*) from webhook_deliveries where webhook_id = %s and event_seq = %s", hook, seq) == 0
    query = "select seq from live_events(%s, 0, 0, %s, 100000)"
    horizon = rows.one("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    assert (seq,) not in rows.seen(query, [rows.mine], horizon)
    assert (seq,) in rows.seen(query, [rows.mine], 2**62)
    assert (seq,) not in rows.seen(query, [rows.others], 2**62)


async def test_the_state_of_the_outbox_counts_what_is_due_and_what_died_lately(rows: Rows) -> None:
    query = "select pending, dead from outbox_state()"
    [(pending, dead)] = rows.seen(query)
    rows.notice(rows.others)
    rows.notice(due=datetime.now(UTC) + timedelta(hours=1))
    rows.notice(dead=datetime.now(UTC))
    rows.notice(dead=LONG_AGO)
    assert rows.seen(query) == [(pending + 1, dead + 1)]
    [(age,)] = rows.seen("select oldest_seconds from outbox_state()")
    assert age > timedelta(days=3650).total_seconds()


async def test_only_old_events_are_pruned(rows: Rows) -> None:
    rows.connection.execute("delete from events")
    old, young = rows.one(EVENT, rows.others, LONG_AGO), rows.one(EVENT, rows.mine, datetime.now(UTC))
    assert rows.seen("select prune_events(%s, 100)", datetime.now(UTC) - timedelta(days=7)) == [(1,)]
    assert rows.connection.execute("select seq from events where seq in (%s, %s)", (old, young)).fetchall() == [
        (young,)
    ]


async def test_only_old_deliveries_that_have_ended_are_pruned(rows: Rows) -> None:
    hook = rows.one(HOOK, rows.others, True)
    ended, waiting, young = (rows.one(DELIVERY, number, LONG_AGO, hook) for number in (1, 2, 3))
    rows.connection.execute("update webhook_deliveries set created_at = %s where id <> %s", (LONG_AGO, young))
    rows.connection.execute("update webhook_deliveries set dead_at = now() where id <> %s", (waiting,))
    rows.seen("select prune_deliveries(%s, 100)", LONG_AGO + timedelta(days=1))
    left = rows.connection.execute("select id from webhook_deliveries where webhook_id = %s", (hook,)).fetchall()
    assert {row[0] for row in left} == {waiting, young}
    assert ended not in {waiting, young}


async def test_a_reset_is_for_active_people_with_this_address(rows: Rows, seed: DemoSeed) -> None:
    query = "select tenant_id, user_id from reset_candidates(%s)"
    assert rows.seen(query, "LEAD@acme-support.example") == [(rows.mine, seed.users["lead"])]
    rows.connection.execute("update users set active = false where id = %s", (seed.users["lead"],))
    assert rows.seen(query, "lead@acme-support.example") == []
    assert rows.seen(query, "%") == []


async def test_a_token_leads_to_its_holder_until_it_is_used_or_has_expired(rows: Rows, seed: DemoSeed) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    for name, expires, used in (("good", soon, None), ("used", soon, LONG_AGO), ("old", LONG_AGO, None)):
        rows.connection.execute(TOKEN, (rows.mine, seed.users["agent"], name, expires, used))
    query = "select tenant_id, user_id from token_holder(%s)"
    assert rows.seen(query, "good") == [(rows.mine, seed.users["agent"])]
    assert rows.seen(query, "used") == rows.seen(query, "old") == rows.seen(query, "") == []


MAIL_FACTS = """
select mailbox, suppressed, answers, topic, known, files is not null, by_hand, time_zone
from notification_facts(%s, '{}', now() - interval '1 min')
"""
MAILBOX = "insert into mailboxes (tenant_id, address, name, is_default) values (%s, %s, 'M', true)"
SUPPRESSED = "insert into mail_suppressions (tenant_id, address, reason) values (%s, 'c@shop.example', 'gone')"
THREAD = (
    "insert into mail_threads (tenant_id, ticket_id, message_id, address, subject, at) values (%s, %s, %s, %s, %s, %s)"
)
FILE = """
with file as (
    insert into attachments (tenant_id, ticket_id, file_name, content_type, size, sha256)
    values (%(tenant)s, %(ticket)s, 'a', 'text/plain', 1, repeat('0', 64)) returning id
)
insert into ticket_attachments (tenant_id, attachment_id, ticket_id, comment_id)
select %(tenant)s, id, %(ticket)s, %(comment)s from file
"""


async def test_what_a_mail_needs_is_read_in_its_own_tenant_only(rows: Rows, seed: DemoSeed) -> None:
    ticket, comment = rows.ticket(), uuid.uuid4()
    rows.connection.execute(COMMENT, (comment, rows.mine, ticket))
    rows.connection.execute("update ticket_comments set author_id = %s where id = %s", (seed.users["agent"], comment))
    rows.connection.execute(
        "update support_tickets set account_id = %s where id = %s", (seed.accounts[Tier.BASIC], ticket)
    )
    rows.connection.execute("update mailboxes set active = false, is_default = false")
    rows.connection.execute(MAILBOX, (rows.mine, f"{uuid.uuid4()}@mine.example"))
    [(mailbox,)] = rows.connection.execute("select address from mailboxes where is_default").fetchall()
    rows.connection.execute(SUPPRESSED, (rows.mine,))
    for number, address in enumerate(("c@shop.example", "c@shop.example", "d@shop.example")):
        rows.connection.execute(THREAD, (rows.mine, ticket, f"m{number}", address, f"S{number}", LONG_AGO))
    rows.connection.execute("update mail_threads set at = at + interval '1 h' where message_id = 'm1'")
    rows.connection.execute(FILE, {"tenant": rows.mine, "ticket": ticket, "comment": comment})
    told = {"recipient": "C@Shop.example", "process": ticket, "template": "ticket_reply"}
    told |= {"payload": f'{{"commentId": "{comment}"}}'}
    own, other = rows.notice(**told, channel="EMAIL"), rows.notice(rows.others, **told, channel="EMAIL")
    [found] = rows.seen(MAIL_FACTS, [own])
    assert found[:4] == (mailbox, "gone", "m1", "S1")
    assert sorted(found[4]) == ["m0", "m1", "m2"]
    assert found[5:] == (True, True, "America/New_York")
    assert rows.seen(MAIL_FACTS, [other]) == [(None, None, None, None, None, False, False, None)]
    chat = rows.notice(**told)
    assert rows.seen(MAIL_FACTS, [chat])[0][:6] == (None, None, None, None, None, False)
