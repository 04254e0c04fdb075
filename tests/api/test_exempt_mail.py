"""What mail's functions that row-level security does not bind let through, and what not."""

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.api.exempt import LONG_AGO, Rows

MAILBOX = "insert into mailboxes (tenant_id, address, name, active) values (%s, %s, 'Box', %s) returning id"
MAIL = """
insert into inbound_mails (id, tenant_id, mailbox_id, dedupe_key, content_hash, recipient, author, subject, size, raw, state, reason,
    received_at, leased_until, lease_id, not_before)
values (%(id)s, %(tenant)s, %(mailbox)s, %(id)s::text, '', 'a@b.example', %(author)s, 'S', %(size)s, 'x', %(state)s, %(reason)s, %(at)s,
    %(leased)s, %(lease)s, %(due)s)
"""

THREAD = """
insert into mail_threads (tenant_id, ticket_id, message_id, address, at, noted_at)
values (%s, %s, 'm@x.example', 'a@x.example', %s, %s)
"""
LEASE = "select id, tenant_id, size from lease_mails(%s, %s, 30)"


class Box:
    """A tenant's mailbox, and mail to it."""

    def __init__(self, rows: Rows, tenant: UUID) -> None:
        self.rows, self.tenant = rows, tenant
        self.address = f"{uuid.uuid4().hex}@desk.example"
        self.id = rows.one(MAILBOX, tenant, self.address, True)
        self.minutes = 0

    def mail(self, author: str = "", **values: Any) -> UUID:
        """A mail that waits, by default of an author of its own; each came later than the one before."""
        self.minutes += 1
        made = uuid.uuid4()
        row = {"id": made, "tenant": self.tenant, "mailbox": self.id, "author": author or f"{made}@x.example"}
        row |= {"state": "RECEIVED", "reason": None, "at": LONG_AGO + timedelta(minutes=self.minutes)}
        row |= {"leased": None, "lease": None, "due": LONG_AGO, "size": 1}
        self.rows.connection.execute(MAIL, row | values)
        return made


@pytest.fixture
def box(rows: Rows) -> Box:
    return Box(rows, rows.mine)


@pytest.fixture
def theirs(rows: Rows) -> Box:
    return Box(rows, rows.others)


def leased(rows: Rows, most: int = 9) -> list[UUID]:
    return sorted((row[0] for row in rows.seen(LEASE, uuid.uuid4(), most)), key=str)


async def test_a_mailbox_is_found_by_its_address_only_while_it_is_active(rows: Rows, box: Box, theirs: Box) -> None:
    closed = f"{uuid.uuid4().hex}@desk.example"
    rows.one(MAILBOX, rows.mine, closed, False)
    found = rows.seen("select * from find_mailboxes(%s)", [box.address, theirs.address, closed, "x@y.example"])
    assert set(found) == {(box.address, box.id, rows.mine), (theirs.address, theirs.id, rows.others)}
    assert rows.seen("select * from find_mailboxes(%s)", []) == []


async def test_mails_are_leased_whosever_they_are_the_oldest_first_and_once(rows: Rows, box: Box, theirs: Box) -> None:
    first, second = box.mail(), theirs.mail(at=LONG_AGO + timedelta(hours=1))
    third = box.mail(at=LONG_AGO + timedelta(hours=2))
    assert set(rows.seen(LEASE, uuid.uuid4(), 2)) == {(first, rows.mine, 1), (second, rows.others, 1)}
    assert leased(rows) == [third]
    assert leased(rows) == []
    assert rows.one("select attempts from inbound_mails where id = %s", first) == 1


async def test_what_is_settled_leased_or_not_due_is_left_alone(rows: Rows, box: Box) -> None:
    soon = LONG_AGO + timedelta(days=20_000)
    box.mail(state="DONE")
    box.mail(state="PARKED", reason="BOUNCE")
    box.mail(leased=soon, lease=uuid.uuid4())
    box.mail(due=soon)
    abandoned = box.mail(leased=LONG_AGO, lease=uuid.uuid4())
    assert leased(rows) == [abandoned]


async def test_of_one_author_the_oldest_goes_first_and_alone(rows: Rows, box: Box, theirs: Box) -> None:
    first, second = box.mail("ada@x.example"), box.mail("ada@x.example")
    elsewhere = theirs.mail("ada@x.example")
    assert leased(rows) == sorted([first, elsewhere], key=str)
    assert leased(rows) == []
    rows.connection.execute("update inbound_mails set state = 'DONE' where id = %s", (first,))
    assert leased(rows) == [second]


async def test_who_writes_very_much_keeps_nobody_waiting(rows: Rows, box: Box, theirs: Box) -> None:
    flood = [box.mail("ada@x.example", at=LONG_AGO - timedelta(hours=1) + timedelta(seconds=n)) for n in range(600)]
    others = [box.mail(), theirs.mail(), theirs.mail("ada@x.example")]
    assert leased(rows) == sorted([flood[0], *others], key=str)
    assert leased(rows) == []


async def test_of_large_mails_no_more_are_leased_than_there_is_room_for(rows: Rows, box: Box, theirs: Box) -> None:
    query = "select id from lease_mails(%s, %s, 30, 1000, %s)"

    def sized(most: int, most_large: int) -> list[UUID]:
        return sorted((row[0] for row in rows.seen(query, uuid.uuid4(), most, most_large)), key=str)

    first, third, *small = (box.mail(size=size) for size in (1000, 1000, 999, 1))
    second = theirs.mail(size=5000, at=LONG_AGO + timedelta(seconds=90))
    assert sized(1, 0) == [small[0]]
    assert sized(9, 1) == sorted([first, small[1]], key=str)
    assert sized(9, 0) == []
    assert sized(9, 1) == [second]
    assert leased(rows) == [third], "the release before takes whatever there is"


async def test_none_is_leased_beside_another_of_its_author_even_if_that_came_later(rows: Rows, box: Box) -> None:
    earlier = box.mail("ada@x.example")
    later = box.mail("ada@x.example", leased=LONG_AGO + timedelta(days=20_000), lease=uuid.uuid4())
    assert leased(rows) == []
    rows.connection.execute("update inbound_mails set state = 'DONE' where id = %s", (later,))
    assert leased(rows) == [earlier]


async def test_only_who_has_leased_a_mail_keeps_it(rows: Rows, box: Box, theirs: Box) -> None:
    lease, another = uuid.uuid4(), uuid.uuid4()
    kept, foreign, over, again = box.mail(), theirs.mail(), box.mail(state="DONE"), box.mail()
    for each, by in ((kept, lease), (over, lease), (again, another)):
        rows.connection.execute("update inbound_mails set lease_id = %s where id = %s", (by, each))
    wanted = [kept, foreign, over, again, again]
    renewed = rows.seen("select * from renew_mails(%s, %s, 30)", wanted, [lease] * 4 + [another])
    assert set(renewed) == {(kept, lease), (again, another)}
    query = "select count(*) from inbound_mails where leased_until > now()"
    assert rows.one(query) == 2
    assert rows.seen("select id from inbound_mails where id = %s", kept, tenant=rows.others) == []


async def test_old_mail_that_is_settled_is_pruned_whosever_it_is(rows: Rows, box: Box, theirs: Box) -> None:
    unwanted, done = box.mail(state="DISCARDED", reason="BOUNCE"), theirs.mail(state="DONE")
    parked, waiting = box.mail(state="PARKED", reason="UNVERIFIED"), box.mail()
    rows.connection.execute("update inbound_mails set updated_at = %s", (LONG_AGO,))
    young, lately = theirs.mail(state="DISCARDED", reason="BOUNCE"), box.mail(state="DONE")
    before, query = LONG_AGO + timedelta(days=1), "select prune_mails(%s, %s, 9)"
    assert rows.seen(query, LONG_AGO, None) == [(0,)]
    assert rows.seen(query, before, LONG_AGO) == [(1,)]
    assert rows.seen(query, LONG_AGO, before) == [(1,)]
    assert rows.seen(query, before, None) == [(0,)]
    left = dict(
        rows.connection.execute("select id, raw from inbound_mails where mailbox_id = any(%s)", ([box.id, theirs.id],))
    )
    assert {each for each, raw in left.items() if raw is None} == {done}
    assert unwanted not in left
    assert left.keys() == {done, parked, waiting, young, lately}


async def test_parked_mail_is_pruned_sooner_when_nobody_needs_to_decide_about_it(
    rows: Rows, box: Box, theirs: Box
) -> None:
    needless = [
        each.mail(state="PARKED", reason=why) for each in (box, theirs) for why in ("AUTOMATIC", "BOUNCE", "LOOP")
    ]
    asked = [
        box.mail(state="PARKED", reason=why) for why in ("UNVERIFIED", "NO_SENDER", "REFUSED", "REPEATED", "FAILED")
    ]
    rows.connection.execute("update inbound_mails set updated_at = %s", (LONG_AGO,))
    box.mail(state="PARKED", reason="LOOP")
    before, query = LONG_AGO + timedelta(days=1), "select prune_mails(%s, %s, %s)"
    assert rows.seen(query, LONG_AGO, before, 99) == [(0,)], "never sooner than what was discarded"
    assert rows.seen(query, before, LONG_AGO, 4) == [(4,)]
    assert rows.seen(query, before, None, 99) == [(len(needless) - 4,)]
    assert rows.one("select count(*) from inbound_mails where id = any(%s)", asked) == len(asked)
    assert rows.seen(query, before, before, 99) == [(len(asked),)]
    assert rows.one("select count(*) from inbound_mails where mailbox_id = any(%s)", [box.id, theirs.id]) == 1


async def test_what_was_noted_for_a_ticket_that_never_came_to_be_is_pruned(rows: Rows) -> None:
    opened, never, soon, confirmed = rows.ticket(tenant=rows.others), *(uuid.uuid4() for _ in range(3))
    now, query = LONG_AGO + timedelta(days=9), "select prune_mail_threads(%s, %s)"
    noted = {opened: LONG_AGO, never: LONG_AGO, soon: now, confirmed: None}
    for ticket, at in noted.items():
        rows.connection.execute(THREAD, (rows.others, ticket, LONG_AGO, at))
    before = LONG_AGO + timedelta(days=1)
    assert sorted(rows.seen(query, before, 1) + rows.seen(query, before, 1)) == [(0,), (1,)], "one at a time"
    left = "select ticket_id, noted_at from mail_threads where tenant_id = %s"
    assert set(rows.connection.execute(left, (rows.others,))) == {(opened, None), (soon, now), (confirmed, None)}
    assert rows.seen("select prune_mail_threads(%s)", LONG_AGO + timedelta(days=99)) == [(1,)]
