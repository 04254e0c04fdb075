"""What the functions about keys and addresses that row-level security does not bind let through, and what not."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cli.demo import DemoSeed
from tests.api.exempt import LONG_AGO, Rows

KEY = """
insert into api_keys (id, tenant_id, name, role, scopes, prefix, hash, expires_at, revoked_at, last_used_at, author_name)
values (%(id)s, %(tenant)s, 'CI', 'AGENT', '{tickets:read}', 'sk_', %(hash)s, %(expires)s, %(revoked)s, %(used)s, 'A')
"""
HOLDER = "select tenant_id, id, name, role, scopes from api_key_holder(%s)"
NOTE = "select note_api_key_use(%s::uuid[], %s::timestamptz[])"


def key(rows: Rows, tenant: UUID, mark: str, **values: Any) -> UUID:
    """A key with a hash of one letter over and over."""
    made = uuid.uuid4()
    blank = dict.fromkeys(("expires", "revoked", "used"))
    rows.connection.execute(KEY, {"id": made, "tenant": tenant, "hash": mark * 64, **blank, **values})
    return made


async def test_a_hash_leads_to_its_key_only_while_that_is_good(rows: Rows) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    mine, theirs = key(rows, rows.mine, "a", expires=soon), key(rows, rows.others, "b")
    key(rows, rows.mine, "c", expires=LONG_AGO)
    key(rows, rows.mine, "d", revoked=LONG_AGO)
    assert rows.seen(HOLDER, "a" * 64) == [(rows.mine, mine, "CI", "AGENT", ["tickets:read"])]
    assert rows.seen(HOLDER, "b" * 64, tenant=rows.mine) == [(rows.others, theirs, "CI", "AGENT", ["tickets:read"])]
    for wrong in ("c" * 64, "d" * 64, "e" * 64, "a" * 63, "%", "", None):
        assert rows.seen(HOLDER, wrong) == []


async def test_a_use_is_noted_whosever_key_it_is_but_not_within_a_minute_and_never_backwards(rows: Rows) -> None:
    now = datetime.now(UTC)
    new, old = key(rows, rows.mine, "a"), key(rows, rows.others, "b", used=now - timedelta(seconds=60))
    lately = key(rows, rows.mine, "c", used=now - timedelta(seconds=59))
    ahead = key(rows, rows.mine, "d", used=now + timedelta(hours=1))
    assert rows.seen(NOTE, [new, old, lately, ahead, uuid.uuid4()], [now] * 5) == [(2,)]
    used = dict(rows.connection.execute("select id, last_used_at from api_keys").fetchall())
    assert (used[new], used[old]) == (now, now)
    assert (used[lately], used[ahead]) == (now - timedelta(seconds=59), now + timedelta(hours=1))


async def test_an_address_leads_to_the_person_of_the_transactions_tenant_only(rows: Rows, seed: DemoSeed) -> None:
    query = "select id, active from user_by_address(%s)"
    lead = "LEAD@acme-support.example"
    assert rows.seen(query, lead, tenant=rows.mine) == [(seed.users["lead"], True)]
    assert rows.seen(query, lead, tenant=rows.others) == rows.seen(query, lead) == []
    rows.connection.execute("update users set active = false where id = %s", (seed.users["lead"],))
    assert rows.seen(query, lead, tenant=rows.mine) == [(seed.users["lead"], False)]
    assert rows.seen(query, "%", tenant=rows.mine) == []
