"""Every list as a file: whole, flat, safe to open, and never passing a part for the whole."""

import asyncio
import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.app import create_app
from api.cells import Heading, cell, columns
from api.exports import PAUSES, BrokenOff, Exports, list_routes, wants_csv
from api.paging import Page
from api.permissions import routes_of
from api.schemas.sla.escalation import RuleView
from api.schemas.tickets import TicketView
from tests.api.export_streams import pages, streamed
from tests.api.front import Front, front, problem
from tests.stack import ROOT, Database

CSV = {"Accept": "text/csv"}
MANY = 2_345

JOBS = """
insert into jobs (id, tenant_id, kind, state, input, author, done, total, result)
select gen_random_uuid(), %s, %s, 'DONE', '{}', '{"name": "Somebody"}', n, 10000, jsonb_build_object('n', n)
from generate_series(1, %s) n
"""


def table(response: httpx.Response) -> list[dict[str, str]]:
    """The rows of a file."""
    assert response.status_code == 200, response.text
    assert response.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def jobs(api: Front, postgres: Database, count: int) -> dict[str, str]:
    """Jobs of a kind of their own; the value is the query that finds them."""
    kind = f"EXPORT-{uuid4().hex}"
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        connection.execute(JOBS, (api.seed.tenant_id, kind, count))
    return {"kind": kind}


async def test_a_list_asked_for_as_a_file_comes_whole(api: Front, postgres: Database) -> None:
    query = jobs(api, postgres, MANY)
    answer = await api.call("agent", "GET", "/api/jobs", params=query | {"limit": 7}, headers=CSV)
    assert answer.headers["content-type"].startswith("text/csv")
    assert re.fullmatch(r'attachment; filename="jobs-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
    rows = table(answer)
    assert sorted(int(row["done"]) for row in rows) == list(range(1, MANY + 1))
    assert all(row["result.n"] == row["done"] and row["total"] == "10000" for row in rows)
    assert (rows[0]["failures"], rows[0]["requestedBy"]) == ("", "Somebody")
    listed = (await api.call("agent", "GET", "/api/jobs", params=query)).json()["data"]
    assert [row["id"] for row in rows[:25]] == [job["id"] for job in listed], "in the order of the list"


async def test_an_empty_list_is_a_file_with_a_heading(api: Front) -> None:
    answer = await api.call("agent", "GET", "/api/jobs", params={"kind": "NOBODYS"}, headers=CSV)
    assert table(answer) == []
    assert answer.text.lstrip("\ufeff").startswith("id,createdAt,updatedAt,version,kind,state,")
    assert answer.text.endswith("\r\n")


async def test_a_file_begins_where_a_cursor_says(api: Front, postgres: Database) -> None:
    query = jobs(api, postgres, 30)
    page = (await api.call("agent", "GET", "/api/jobs", params=query | {"limit": 20})).json()["page"]
    rest = await api.call("agent", "GET", "/api/jobs", params=query | {"cursor": page["nextCursor"]}, headers=CSV)
    assert len(table(rest)) == 10


@pytest.mark.parametrize("limit", ["1", "100"])
@pytest.mark.parametrize("count", [119, 120, 121, 200, 201])
async def test_a_file_that_is_cut_off_says_so(
    api: Front, postgres: Database, monkeypatch: pytest.MonkeyPatch, count: int, limit: str
) -> None:
    layer = api.app.middleware_stack
    while not isinstance(layer, Exports):
        layer = layer.app  # type: ignore[union-attr]
    monkeypatch.setattr(layer, "most_rows", 120)
    query = jobs(api, postgres, count) | {"limit": limit}
    rows = table(await api.call("agent", "GET", "/api/jobs", params=query, headers=CSV))
    said = [row for row in rows if row["id"] == "Cut off after 120 rows; narrow the list by its filters."]
    assert len(rows) - len(said) == min(count, 120)
    assert said == rows[120:]
    assert len(said) == (1 if count > 120 else 0)


async def test_what_is_refused_is_refused_as_ever(api: Front) -> None:
    problem(await api.call(None, "GET", "/api/jobs", headers=CSV), 401, "unauthenticated")
    problem(await api.call("customer", "GET", "/api/jobs", headers=CSV), 403, "role-too-low")
    for wrong, kind in (
        ("limit=101", "invalid"),
        ("limit=0", "invalid"),
        ("who=me", "invalid"),
        ("cursor=x", "bad-cursor"),
    ):
        problem(await api.call("agent", "GET", f"/api/jobs?{wrong}", headers=CSV), 422, kind)


async def test_what_is_no_list_stays_what_it_is(api: Front) -> None:
    answer = await api.call("agent", "GET", "/api/me", headers=CSV)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("accept", "csv_wanted"),
    [
        ("text/csv", True),
        ("TEXT/CSV; charset=utf-8", True),
        ("text/csv, */*;q=0.1", True),
        ("text/csv, */*", True),
        ("application/json;q=0.5, text/csv;q=0.9", True),
        ("application/json, text/csv", False),
        ("text/csv;q=0", False),
        ("text/csv;q=x", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
async def test_only_who_prefers_a_file_gets_one(accept: str, csv_wanted: bool) -> None:
    assert wants_csv(accept) is csv_wanted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-", "'-"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("-12.50", "-12.50"),
        ("+3", "+3"),
        (-3, "-3"),
        (-1.5e-7, "-1.5e-07"),
        (True, "true"),
        (None, ""),
        ("a=1", "a=1"),
        ("\n=1", "'\n'=1"),
        ('x;=HYPERLINK("http://e")', 'x;\'=HYPERLINK("http://e")'),
        ("x; \"=cmd|'/c calc'!A1", "x; \"'=cmd|'/c calc'!A1"),
        ("a|=1\tb\t@SUM(A1)", "a|'=1\tb\t'@SUM(A1)"),
        ("Hi\r\n- cmd|'/c calc'!A1", "Hi\r\n'- cmd|'/c calc'!A1"),
        ("x;+'http://e/a.ods'#$A.A1", "x;'+'http://e/a.ods'#$A.A1"),
        ("To do:\n- one; -2\n+ two\n@anna\n-- \nCasey\n+49 30 1234", None),
        ("| a | b |\n|---|---|\n| x=1 | - |", None),
        (["=a", "=b", "-5"], "'=a; '=b; -5"),
        ([{"a": 1}, 2], '{"a":1}; 2'),
        ([], ""),
        ({"ä": [1]}, '{"ä":[1]}'),
    ],
)
async def test_no_cell_is_a_formula(value: Any, text: str | None) -> None:
    assert cell(value) == (value if text is None else text)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
async def test_no_cell_is_a_formula_whatever_a_spreadsheet_takes_for_the_separator(separator: str) -> None:
    formula = "=cmd('/c calc'!A1)"
    texts = [
        f"{before}{between}{quote}{formula}" for before in ("", "x") for between in ";|\t\r\n" for quote in ("", '"')
    ]
    file = io.StringIO()
    csv.writer(file).writerows([cell(first), cell(first), "end"] for first in texts)
    for row in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=separator):
        assert not [shown for shown in row if shown.strip(' "').startswith("=")]


async def test_nested_objects_become_columns_with_dots() -> None:
    named = [column.name for column in columns(TicketView)]
    assert named[:5] == ["id", "createdAt", "updatedAt", "version", "number"]
    assert {"sla.state", "sla.nextDeadlineAt", "tags", "fields"} <= set(named)
    assert {"trigger.type", "trigger.clock", "trigger.percent", "repeat.times"} <= {
        column.name for column in columns(RuleView)
    }


async def test_members_that_no_schema_names_lose_nothing() -> None:
    fields = [column for column in columns(TicketView) if column.path == ("fields",)]
    first = [{"fields": {"region": "EU", "=cmd": {"deep": 1}}}, {"fields": {}}]
    heading = Heading.over(fields, first)
    assert heading.titles() == ["fields.region", "fields.=cmd.deep", "fields"]
    assert heading.cells(first[0]) == ["EU", "1", ""]
    assert heading.cells(first[1]) == ["", "", ""]
    assert heading.cells({"fields": {"region": "US", "later": 1}}) == ["US", "", '{"later":1}']


async def test_every_list_is_offered_as_a_file(api: Front) -> None:
    document = api.app.openapi()
    lists = {
        path
        for (method, path), context in routes_of(api.app)
        if method == "GET"
        and isinstance(model := getattr(context.original_route, "response_model", None), type)
        and issubclass(model, Page)
    }
    assert len(lists) >= 18
    assert len(list_routes(api.app)) == len(lists)
    named = {
        path
        for path, item in document["paths"].items()
        if "text/csv" in item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    }
    assert named == lists


async def test_memory_does_not_grow_with_the_list() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.api.export_streams", "30000", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    measured = json.loads(said)
    assert measured["sent"] > 30_000_000
    assert measured["peak"] < 3_000_000


async def test_a_list_that_breaks_off_is_cut_and_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exports.PAUSES", (0.0, 0.0))
    assert len(PAUSES) > 1
    sizes = await streamed(pages(iter([200, 503, 503, 200, *[200] * 9])), 1_000)
    assert sum(size > 0 for size in sizes) > 9, "what was away for a moment is asked again"
    with pytest.raises(BrokenOff):
        await streamed(pages(iter([200, 503, 503, 503])))
    with pytest.raises(BrokenOff):
        await streamed(pages(iter([200, 401])))


async def test_nobody_reads_on_for_a_caller_who_has_hung_up() -> None:
    asked_for: list[int] = []

    def counted() -> Iterator[int]:
        while True:
            asked_for.append(200)
            yield 200

    await streamed(pages(counted()), after=5)
    assert len(asked_for) < 10


async def test_further_pages_count_against_no_limit(api: Front, postgres: Database) -> None:
    query = jobs(api, postgres, 450)
    async with front(postgres.app, api.seed, rate_limit_principal="3/minute") as limited:
        assert len(table(await limited.call("agent", "GET", "/api/jobs", params=query, headers=CSV))) == 450
        answers = [await limited.call("agent", "GET", "/api/jobs", headers=CSV) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_a_head_request_reads_one_page(api: Front, postgres: Database) -> None:
    query = jobs(api, postgres, 150)
    answer = await api.call("agent", "HEAD", "/api/jobs", params=query, headers=CSV)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_the_setting_reaches_the_layer(api: Front) -> None:
    app = create_app(api.settings.model_copy(update={"export_rows": 12}))
    layers = [each for each in app.user_middleware if each.cls is Exports]
    assert [layer.kwargs["most_rows"] for layer in layers] == [12]
