"""What the functions that row-level security does not bind let through, and what not."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cli.demo import DemoSeed
from runtime.settings import APP_ROLE
from tests.stack import Database

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
"""Before whatever other tests have written."""

PROCESS = """
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final, touched_at)
values (%(id)s, %(tenant)s, 'ticket', %(workflow)s, %(revision)s, %(confirmed)s, %(final)s, %(touched)s)
"""
TICKET = """
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority,
    severity, channel, sla_tier, tags, fields, reopens, created_at, updated_at, version)
values (%(id)s, %(tenant)s, %(number)s, 'NEW', %(at)s, %(email)s, 'S', 'D', 'LOW', 'SEV4', 'API', 'BASIC', '{}', '{}', 0,
    %(at)s, %(at)s, 1)
"""
DEADLINE = """
insert into deadlines (tenant_id, process_id, process, kind, cycle, due_at, state, settled_at)
values (%(tenant)s, %(id)s, 'ticket', %(kind)s, 1, %(at)s, %(state)s, case when %(state)s <> 'ARMED' then now() end)
"""
NOTICE = """
insert into notifications (id, tenant_id, process_id, rung, template, recipient, channel, payload, not_before, delivered_at,
    dead_at, leased_until, digest_id)
values (%(id)s, %(tenant)s, %(process)s, %(id)s::text, %(template)s, %(recipient)s, %(channel)s, %(payload)s, %(due)s, %(delivered)s,
    %(dead)s, %(leased)s, %(digest)s)
"""
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
TEXT = """
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select tenant_id, id, gen_random_uuid(), %s, created_at, to_tsvector('english', %s) from support_tickets where id = %s
"""


@dataclass
class Rows:
    """Rows of two tenants in a transaction that is rolled back, and what the application's role gets to see of them."""

    connection: psycopg.Connection[tuple[Any, ...]]
    mine: UUID
    others: UUID
    numbers: int = 900_000

    def process(self, tenant: UUID | None = None, **values: Any) -> UUID:
        """A process, by default confirmed, open, and at rest for ages."""
        process = uuid.uuid4()
        row = {"id": process, "tenant": tenant or self.mine, "workflow": f"ticket/{process}", "revision": 3}
        self.connection.execute(PROCESS, {**row, "confirmed": 3, "final": False, "touched": LONG_AGO, **values})
        return process

    def ticket(self, *texts: str, tenant: UUID | None = None, internal: bool = False, **values: Any) -> UUID:
        """A ticket whose texts can be found."""
        ticket = self.process(tenant)
        self.numbers += 1
        row = {"id": ticket, "tenant": tenant or self.mine, "number": self.numbers, "email": "c@shop.example"}
        self.connection.execute(TICKET, {**row, "at": LONG_AGO + timedelta(days=self.numbers), **values})
        for text in texts:
            self.connection.execute(TEXT, (internal, text, ticket))
        return ticket

    def due(self, process: UUID, at: datetime, state: str = "ARMED", kind: str = "AUTO_CLOSE") -> UUID:
        """A promise of a process."""
        self.connection.execute(DEADLINE, {"tenant": self.mine, "id": process, "kind": kind, "at": at, "state": state})
        return process

    def notice(self, tenant: UUID | None = None, **values: Any) -> UUID:
        """A row of the outbox, by default one that has been due for ages."""
        notice = uuid.uuid4()
        row = {"id": notice, "tenant": tenant or self.mine, "recipient": "a@shop.example", "channel": "SLACK"}
        row |= {"template": "digest", "payload": "{}"}
        ends = dict.fromkeys(("delivered", "dead", "leased", "digest", "process"))
        self.connection.execute(NOTICE, {**row, "due": LONG_AGO, **ends, **values})
        return notice

    def one(self, query: str, *values: Any) -> Any:
        """What the owner gets for a query that answers one value."""
        found = self.connection.execute(query, values).fetchone()
        assert found is not None
        return found[0]

    def seen(self, query: str, *values: Any, tenant: UUID | None = None) -> list[tuple[Any, ...]]:
        """What the application gets for a query, as a tenant or as nobody."""
        self.connection.execute(f"set local role {APP_ROLE}")
        self.connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant or ""),))
        found = self.connection.execute(query, values).fetchall()
        self.connection.execute("reset role")
        return found

    def search(
        self, q: str, *, staff: bool = True, cap: int = 100, address: str | None = None, tenant: UUID | None = None
    ) -> set[UUID]:
        """The tickets that a search finds."""
        query = "select * from search_tickets(%s, %s, %s, %s, null)"
        return {row[0] for row in self.seen(query, q, staff, cap, address, tenant=tenant or self.mine)}


@pytest.fixture
def rows(postgres: Database, seed: DemoSeed) -> Iterator[Rows]:
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        yield Rows(connection, seed.tenant_id, seed.other_tenant_id)
        connection.rollback()


async def test_a_search_finds_the_tenants_own_texts_only(rows: Rows) -> None:
    own, theirs = rows.ticket("zephyr pump"), rows.ticket("zephyr pump", tenant=rows.others)
    assert rows.search("zephyr") == {own}
    assert rows.search("zephyr", tenant=rows.others) == {theirs}
    assert rows.seen("select * from search_tickets('zephyr', true, 100, null, null)") == []


async def test_a_customers_search_does_not_find_internal_comments(rows: Rows) -> None:
    public, internal = rows.ticket("zephyr"), rows.ticket("zephyr", internal=True)
    assert rows.search("zephyr", staff=False) == {public}
    assert rows.search("zephyr", staff=True) == {public, internal}


async def test_a_search_finds_a_number_and_an_address_of_the_tenant(rows: Rows) -> None:
    ticket = rows.ticket(number=912_345, email="Vera@Shop.example")
    rows.ticket(number=912_345, email="vera@shop.example", tenant=rows.others)
    assert rows.search("SUP-912345") == rows.search("912345") == rows.search("vera@SHOP.example") == {ticket}


async def test_a_search_that_matches_more_than_its_cap_shows_the_newest(rows: Rows) -> None:
    tickets = [rows.ticket("zephyr") for _ in range(21)]
    assert rows.search("zephyr", cap=22) == set(tickets)
    assert rows.search("zephyr", cap=2) == set(tickets[-2:])


async def test_a_search_beyond_its_cap_is_still_the_tenants_and_the_publics(rows: Rows) -> None:
    public = [rows.ticket("zephyr") for _ in range(20)]
    for _ in range(20):
        rows.ticket("zephyr", internal=True)
        rows.ticket("zephyr", tenant=rows.others)
    assert rows.search("zephyr", staff=False, cap=2) == set(public[-2:])


@pytest.mark.parametrize("q", ["", "'", '"', "zephyr & | !", "SUP-", "1" * 15, "%", "\\", "-"])
async def test_no_search_is_an_error(rows: Rows, q: str) -> None:
    rows.ticket("pump")
    assert rows.search(q) == set()


def confirmed(rows: Rows, *processes: UUID) -> list[int]:
    query = "select confirmed_revision from processes where id = %s"
    return [rows.connection.execute(query, (process,)).fetchone()[0] for process in processes]  # type: ignore[index]


async def test_confirming_never_goes_back_and_never_beyond_what_is_written(rows: Rows) -> None:
    behind, ahead, beyond = rows.process(confirmed=1), rows.process(confirmed=3), rows.process(confirmed=0)
    query = "select confirm_processes(%s::uuid[], %s::integer[])"
    assert rows.seen(query, [behind, ahead, beyond, uuid.uuid4()], [2, 1, 99, 1]) == [(2,)]
    assert confirmed(rows, behind, ahead, beyond) == [2, 3, 3]


async def test_confirming_needs_no_tenant_and_tells_nothing_of_one(rows: Rows) -> None:
    process = rows.process(rows.others, confirmed=1)
    assert rows.seen("select confirm_processes(array[%s]::uuid[], array[3])", process, tenant=rows.mine) == [(1,)]
    assert rows.seen("select id from processes where id = %s", process, tenant=rows.mine) == []


async def test_overdue_is_what_is_armed_and_past_the_earliest_first(rows: Rows) -> None:
    later = rows.due(rows.process(), LONG_AGO + timedelta(hours=2))
    first = rows.due(rows.due(rows.process(), LONG_AGO), LONG_AGO + timedelta(hours=1), kind="AUTO_RESOLVE")
    rows.due(rows.process(), LONG_AGO, state="FIRED")
    rows.due(rows.process(), LONG_AGO + timedelta(days=2))
    query = "select id, tenant_id, due_at from auditor_overdue(%s, %s)"
    expected = [(first, rows.mine, LONG_AGO), (later, rows.mine, LONG_AGO + timedelta(hours=2))]
    assert rows.seen(query, LONG_AGO + timedelta(days=1), 50) == expected
    assert rows.seen(query, LONG_AGO + timedelta(days=1), 1) == expected[:1]


async def test_unconfirmed_is_what_rests_with_a_revision_that_nobody_has_confirmed(rows: Rows) -> None:
    lost = rows.process(confirmed=2)
    later = rows.process(rows.others, confirmed=0, touched=LONG_AGO + timedelta(hours=1))
    rows.process()
    rows.process(confirmed=2, touched=LONG_AGO + timedelta(days=2))
    query = "select id, tenant_id from auditor_unconfirmed(%s, %s)"
    assert rows.seen(query, LONG_AGO + timedelta(days=1), 50) == [(lost, rows.mine), (later, rows.others)]
    assert rows.seen(query, LONG_AGO + timedelta(days=1), 1) == [(lost, rows.mine)]


async def test_the_sweep_goes_over_what_is_open_and_rests_in_the_order_of_ids(rows: Rows) -> None:
    open_ones = sorted([rows.process(), rows.process(), rows.process(rows.others)])
    rows.process(final=True)
    rows.process(touched=LONG_AGO + timedelta(days=2))
    query = "select id from auditor_open(%s, %s, %s)"
    before = LONG_AGO + timedelta(days=1)
    assert rows.seen(query, UUID(int=0), before, 50) == [(each,) for each in open_ones]
    assert rows.seen(query, open_ones[0], before, 1) == [(open_ones[1],)]


async def test_what_is_known_of_a_workflow_is_told_by_its_id(rows: Rows) -> None:
    known = rows.process(rows.others, final=True, confirmed=2)
    query = "select workflow_id, id, tenant_id, revision, confirmed_revision, final from auditor_known(%s)"
    assert rows.seen(query, [f"ticket/{known}", "ticket/nothing"]) == [
        (f"ticket/{known}", known, rows.others, 3, 2, True)
    ]


async def test_other_customers_texts_do_not_push_a_readers_own_beyond_the_cap(rows: Rows) -> None:
    own = rows.ticket("zephyr", email="Own@shop.example")
    for _ in range(3):
        rows.ticket("zephyr")
    assert own not in rows.search("zephyr", cap=2)
    assert rows.search("zephyr", cap=2, address="own@SHOP.example") == {own}


JOB = """
insert into jobs (id, tenant_id, kind, state, input, author, leased_until)
values (%s, %s, 'COUNT', %s, '{}', '{}', now() + %s)
"""


async def test_a_job_is_leased_whosever_it_is_unless_somebody_has_it(rows: Rows) -> None:
    def job(state: str, tenant: UUID, lease: timedelta | None) -> UUID:
        made = uuid.uuid4()
        rows.connection.execute(JOB, (made, tenant, state, lease))
        return made

    late = timedelta(days=-900)
    job("RUNNING", rows.mine, timedelta(minutes=1))
    job("DONE", rows.mine, late)
    abandoned, queued = job("RUNNING", rows.others, late), job("QUEUED", rows.mine, None)
    query = "select id, tenant_id, attempts from lease_job(%s, gen_random_uuid(), 30)"
    assert rows.seen(query, ["COUNT"]) == [(abandoned, rows.others, 1)]
    assert rows.seen(query, ["OTHER"]) == []
    assert rows.seen(query, ["COUNT"]) == [(queued, rows.mine, 1)]
    assert rows.seen(query, ["COUNT"]) == []


async def test_measures_tell_no_tenant_apart(rows: Rows) -> None:
    add = "insert into measures (tenant_id, name, label, upto, count, sum) values (%s, 'test', 'one', 60, %s, 1)"
    for tenant, count in ((rows.mine, 2), (rows.others, 3)):
        rows.connection.execute(add, (tenant, count))
    assert rows.seen("select * from all_measures() where name = 'test'") == [("test", "one", 60.0, 5, 2.0)]
    assert rows.seen("select count from measures where name = 'test'", tenant=rows.others) == [(3,)]


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
