"""What the functions that row-level security does not bind let through, and what not: search, processes, jobs and measures."""

import uuid
from datetime import timedelta
from uuid import UUID

import pytest

from tests.api.exempt import LONG_AGO, Rows


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
    assert rows.ticket("pump") not in rows.search(q)


def confirmed(rows: Rows, *processes: UUID) -> list[int]:
    query = "select confirmed_revision from processes where id = any(%s) order by array_position(%s, id)"
    return [revision for (revision,) in rows.connection.execute(query, (list(processes), list(processes)))]


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


async def test_queues_are_drained_where_somebody_waits_and_somebody_has_room(rows: Rows) -> None:
    ends = ["delete from jobs where kind = 'DRAIN'"]
    team, full, idle = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    agent = rows.agent()
    for statement in ends:
        rows.connection.execute(statement)
    for each in (team, full, idle):
        rows.connection.execute(
            "insert into teams (id, tenant_id, name) values (%s, %s, %s)", (each, rows.mine, str(each))
        )
    rows.connection.execute(
        "insert into team_members (tenant_id, team_id, user_id) values (%s, %s, %s), (%s, %s, %s)",
        (rows.mine, team, agent, rows.mine, idle, agent),
    )
    for place in (team, full):
        waiting = rows.ticket()
        rows.connection.execute(
            """update support_tickets set team_id = %s, route = '{"method": "LEAST_LOADED"}' where id = %s""",
            (place, waiting),
        )
    assert rows.seen("select queue_drains('{}')") == [(1,)]
    assert rows.one("select input ->> 'team' from jobs where kind = 'DRAIN'") == str(team)
    assert rows.seen("select queue_drains('{}')") == [(0,)]


async def test_the_teams_where_somebody_waits_are_told_whosever_they_are_and_nothing_else(rows: Rows) -> None:
    told = set(rows.seen("select * from waiting_teams()"))
    mine, theirs, *others = (uuid.uuid4() for _ in range(6))
    for place, tenant in ((mine, rows.mine), (theirs, rows.others), *((each, rows.mine) for each in others)):
        rows.connection.execute(
            "insert into teams (id, tenant_id, name) values (%s, %s, %s)", (place, tenant, str(place))
        )
        waiting = rows.ticket(tenant=tenant)
        rows.connection.execute(
            """update support_tickets set team_id = %s, route = '{"method": "LEAST_LOADED"}' where id = %s""",
            (place, waiting),
        )
    by_hand, taken, over, unsent = others
    agent = rows.agent()
    for change, place in (
        ("""route = '{"method": "MANUAL"}'""", by_hand),
        (f"assignee_id = '{agent}'", taken),
        ("status = 'CANCELLED', closed_at = now()", over),
        ("route = null", unsent),
    ):
        rows.connection.execute(f"update support_tickets set {change} where team_id = %s", (place,))
    query = "select * from waiting_teams()"
    assert set(rows.seen(query)) - told == {(rows.mine, mine), (rows.others, theirs)}
    assert set(rows.seen(query, tenant=rows.others)) - told == {(rows.mine, mine), (rows.others, theirs)}
    assert rows.seen("select id from teams where id = %s", theirs, tenant=rows.mine) == []


ADD_JOB = """insert into jobs (id, tenant_id, kind, input, author, state, updated_at)
    values (gen_random_uuid(), %s, %s, '{}', '{}', %s, now() - %s::interval)"""


async def test_only_jobs_that_ended_are_pruned_and_chores_that_are_done_sooner(rows: Rows) -> None:
    rows.connection.execute("delete from jobs")
    for kind, state, age in (
        ("BULK", "DONE", "2 days"),
        ("BULK", "FAILED", "40 days"),
        ("BULK", "RUNNING", "40 days"),
        ("DRAIN", "DONE", "2 days"),
        ("DRAIN", "QUEUED", "2 days"),
        ("DRAIN", "FAILED", "40 days"),
        ("ABSORB", "DONE", "1 hour"),
        ("ABSORB", "FAILED", "29 days"),
    ):
        rows.connection.execute(ADD_JOB, (rows.others, kind, state, age))
    assert rows.seen("select prune_jobs(now() - interval '30 days', 100)") == [(3,)]
    left = rows.connection.execute("select kind, state from jobs").fetchall()
    kept = {("BULK", "DONE"), ("BULK", "RUNNING"), ("DRAIN", "QUEUED"), ("ABSORB", "DONE"), ("ABSORB", "FAILED")}
    assert set(left) == kept


async def test_the_oldest_jobs_are_pruned_first_by_an_index(rows: Rows) -> None:
    rows.connection.execute("delete from jobs")
    for age in ("50 days", "70 days", "60 days"):
        rows.connection.execute(ADD_JOB, (rows.mine, age, "DONE", age))
    assert rows.seen("select prune_jobs(now() - interval '30 days', 2)") == [(2,)]
    assert rows.one("select kind from jobs") == "50 days"
    rows.connection.execute("set local enable_seqscan = off")
    ended = "explain select id from jobs where state in ('DONE', 'FAILED') and updated_at < now() order by updated_at limit 9"
    plan = "\n".join(line for (line,) in rows.connection.execute(ended))
    assert "ix_jobs_ended" in plan
    assert "Sort" not in plan
