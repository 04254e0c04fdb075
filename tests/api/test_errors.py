"""What goes wrong leaves as a problem, in time, and changes nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from uvicorn import Config, Server

from api.errors import is_unwritable
from api.wire import Wire
from cli.demo import DemoSeed
from db.away import is_away
from runtime.embedded.ports import free_port
from tests.api.front import Front, front, places, problem
from tests.stack import Database

JSON = {"Content-Type": "application/json"}


async def team_count(api: Front) -> int:
    return len((await api.call("admin", "GET", "/api/teams?limit=100")).json()["data"])


async def test_every_bad_field_is_named_at_once_and_none_is_repeated(api: Front) -> None:
    body = {"email": "no-address", "name": " ", "role": "KING", "kapacity": 1, "skills": ["a", 7], "a/b~c": 1}
    response = await api.call("admin", "POST", "/api/users", json=body)
    document = problem(response, 422, "invalid")
    assert places(document) == {"/email", "/name", "/role", "/kapacity", "/skills/1", "/a~1b~0c"}
    assert "KING" not in response.text
    assert "no-address" not in response.text


@pytest.mark.parametrize("path", ["/api/auth/password-reset", "/api/ratings/abc", "/api/tickets"])
async def test_an_empty_body_beside_an_unknown_parameter_is_refused(api: Front, path: str) -> None:
    document = problem(await api.call("admin", "POST", f"{path}?x=1", headers=JSON), 422, "invalid")
    assert len(document["errors"]) > 1


@pytest.mark.parametrize("thing", ["%00", "a" * 3000])
async def test_no_path_is_too_odd_for_a_key(api: Front, thing: str) -> None:
    for path in (f"/api/sla/breaches/{thing}/acknowledge", f"/api/tickets/{thing}/rating"):
        answer = await api.call(
            "admin", "POST", path, json={"score": 1, "reason": "x"}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("error", "away", "unwritable"),
    [
        (psycopg.errors.DiskFull("full"), True, False),
        (psycopg.errors.DeadlockDetected("again"), True, False),
        (psycopg.errors.ProgramLimitExceeded("index row size 3000 exceeds"), False, True),
        (psycopg.DataError("cannot contain NUL"), False, True),
        (psycopg.errors.UniqueViolation("twice"), False, False),
    ],
)
async def test_what_the_database_can_never_take_is_not_taken_for_its_being_away(
    error: psycopg.Error, away: bool, unwritable: bool
) -> None:
    for each in (error, DBAPIError("insert", {}, error)):
        assert (is_away(each), is_unwritable(each)) == (away, unwritable)


PLAIN = {
    "a channel of nobody": ("PUT", "/api/me/preferences", {"channels": ["PIGEON"]}, "'IN_APP'"),
    "too many rules": (
        "PUT",
        "/api/me/preferences",
        {"pageRules": [{"channel": "EMAIL"}] * 11},
        "must have at most 10 items",
    ),
    "too many tags": (
        "POST",
        "/api/tickets",
        {"customerEmail": "c@shop.example", "subject": "S", "description": "D", "tags": ["t"] * 51},
        "must have at most 50 items",
    ),
    "no subject": (
        "POST",
        "/api/tickets",
        {"customerEmail": "c@shop.example", "subject": "", "description": "D"},
        "must have at least 1 character",
    ),
    "no description": ("POST", "/api/tickets", {"customerEmail": "c@shop.example", "subject": "S"}, "is required"),
    "fields that are no object": (
        "POST",
        "/api/tickets",
        {"customerEmail": "c@shop.example", "subject": "S", "description": "D", "fields": []},
        "must be an object",
    ),
    "a severity of its own": (
        "POST",
        "/api/tickets",
        {"customerEmail": "c@shop.example", "subject": "S", "description": "D", "severity": "P1"},
        "must be 'SEV1', 'SEV2', 'SEV3' or 'SEV4'",
    ),
    "a bad action": (
        "POST",
        "/api/escalation-rules",
        {"name": "R", "trigger": {"type": "CREATED"}, "actions": [{"type": "NOTIFY", "to": "NOBODY"}]},
        "must be 'ASSIGNEE', 'TEAM_LEAD'",
    ),
    "a week that is a list": ("POST", "/api/sla/calendars", {"name": "C", "week": []}, "must be an object"),
}
PYTHON = ("<", "Input should", "after validation", "instance of", "dictionary", "Field required")


@pytest.mark.parametrize(("method", "path", "body", "said"), PLAIN.values(), ids=PLAIN)
async def test_what_is_wrong_with_a_field_is_said_in_plain_words(
    api: Front, method: str, path: str, body: dict[str, object], said: str
) -> None:
    document = problem(await api.call("lead", method, path, json=body), 422, "invalid")
    [error] = document["errors"]
    assert said in error["detail"]
    assert not [word for word in PYTHON if word in error["detail"]]


async def test_a_parameter_that_is_too_large_is_said_in_plain_words(api: Front) -> None:
    document = problem(await api.call("agent", "GET", "/api/users?limit=101&active=perhaps"), 422, "invalid")
    assert {error["detail"] for error in document["errors"]} == {"must be at most 100", "must be true or false"}


async def test_a_misspelt_parameter_is_refused_with_the_other_bad_ones(api: Front) -> None:
    document = problem(await api.call("agent", "GET", "/api/users?limit=101&ordr=x&role=KING"), 422, "invalid")
    assert places(document) == {"limit", "ordr", "role"}


async def test_a_misspelt_parameter_is_refused_with_the_bad_fields_of_the_body(api: Front) -> None:
    body = {"name": " ", "membrs": []}
    document = problem(await api.call("admin", "POST", "/api/teams?dryRun=yes", json=body), 422, "invalid")
    assert places(document) == {"dryRun", "/name", "/membrs"}


@pytest.mark.parametrize("path", ["/api/me?x=1", "/healthz?x=1"])
async def test_a_route_without_parameters_takes_none(api: Front, path: str) -> None:
    assert places(problem(await api.call("agent", "GET", path), 422, "invalid")) == {"x"}


UNREADABLE = {
    "not JSON": b"{",
    "not UTF-8": b'{"name": "\xff"}',
    "nested without end": b"[" * 200_000,
    "a number of 5000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "an array": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_body_that_cannot_be_read_is_a_bad_request(api: Front, body: bytes) -> None:
    before = await team_count(api)
    problem(await api.call("admin", "POST", "/api/teams", content=body, headers=JSON), 422, "invalid")
    assert await team_count(api) == before


UNSTORABLE = {"a NUL": r"\u0000", "a lone surrogate": r"\ud800", "a megabyte": "x" * 1_000_000}


@pytest.mark.parametrize("text", UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_a_text_that_cannot_be_stored_names_its_field(api: Front, text: str) -> None:
    body = f'{{"name": "{text}"}}'.encode()
    document = problem(await api.call("admin", "POST", "/api/teams", content=body, headers=JSON), 422, "invalid")
    assert places(document) == {"/name"}


async def test_a_field_named_by_a_lone_surrogate_can_still_be_answered(api: Front) -> None:
    body = rb'{"name": "x", "\udc80": 1}'
    problem(await api.call("admin", "POST", "/api/teams", content=body, headers=JSON), 422, "invalid")


async def test_a_body_that_says_it_is_too_large_is_not_read(api: Front) -> None:
    said = problem(await api.call("admin", "POST", "/api/teams", content=b"x" * 1_048_577), 413, "body-too-large")
    assert "1,048,576" in said["detail"]


async def test_a_body_in_chunks_that_grows_too_large_is_cut_off(api: Front) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 50_000

    response = await api.call("admin", "POST", "/api/teams", content=chunks(), headers=JSON)
    problem(response, 413, "body-too-large")


async def test_a_body_that_understates_its_length_is_cut_off(api: Front) -> None:
    headers = JSON | {"Content-Length": "10"}
    response = await api.call("admin", "POST", "/api/teams", content=b"x" * 2_000_000, headers=headers)
    problem(response, 413, "body-too-large")


async def test_unknown_paths_and_methods_are_problems_too(api: Front) -> None:
    problem(await api.call("admin", "GET", "/api/nothing"), 404, "not-found")
    response = await api.call("admin", "DELETE", "/api/me")
    problem(response, 405, "method-not-allowed")
    assert "GET" in response.headers["allow"].split(", ")
    several = await api.call("admin", "DELETE", "/api/tickets")
    assert {"GET", "POST"} <= set(several.headers["allow"].split(", "))


@pytest.mark.parametrize("body", [b"{bad", b"\xff\xfe", b'{"name": 1}'])
async def test_a_stranger_is_told_so_whatever_the_body(api: Front, body: bytes) -> None:
    problem(await api.call(None, "POST", "/api/teams", content=body, headers=JSON), 401, "unauthenticated")
    problem(await api.call("agent", "POST", "/api/teams?x=1", content=body, headers=JSON), 403, "role-too-low")


async def test_head_is_answered_as_get(api: Front) -> None:
    for who, path in ((None, "/healthz"), ("agent", "/api/teams")):
        head, get = await api.call(who, "HEAD", path), await api.call(who, "GET", path)
        assert (head.status_code, head.headers["content-length"]) == (200, get.headers["content-length"])


async def test_a_sane_request_id_is_kept_and_another_replaced(api: Front) -> None:
    kept = await api.call(None, "GET", "/healthz", headers={"X-Request-Id": "abc-123.X_y"})
    assert kept.headers["x-request-id"] == "abc-123.X_y"
    forged = await api.call(None, "GET", "/healthz", headers={"X-Request-Id": 'a"}\\n{"level":"error"'})
    assert len(forged.headers["x-request-id"]) == 36


async def test_answers_carry_the_headers_that_keep_browsers_careful(api: Front) -> None:
    headers = (await api.call("agent", "GET", "/api/me")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_only_allowed_origins_may_read_answers(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, allowed_origins=["https://portal.example"]) as open_to_one:
        allowed = await open_to_one.call("agent", "GET", "/api/nothing", headers={"Origin": "https://portal.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://portal.example"
        assert "X-Request-Id" in allowed.headers["access-control-expose-headers"]
        other = await open_to_one.call("agent", "GET", "/api/me", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_a_bug_is_a_500_that_tells_nothing(api: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.app.state.services.directory, "caller", None)
    response = await api.call("agent", "GET", "/api/me")
    problem(response, 500, "internal-error")
    assert "NoneType" not in response.text


async def test_postgres_that_refuses_is_503_with_retry_after(postgres: Database, seed: DemoSeed) -> None:
    nowhere = postgres.app.model_copy(update={"host": "127.0.0.1", "port": free_port()})
    async with front(nowhere, seed) as cut_off:
        response = await cut_off.call("agent", "GET", "/api/me")
        problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert (await cut_off.call(None, "GET", "/healthz")).status_code == 200
        document = problem(await cut_off.call(None, "GET", "/readyz"), 503, "unavailable")
        assert "Postgres" in document["detail"]


async def test_postgres_that_hangs_is_503_within_the_budget(postgres: Database, seed: DemoSeed) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    hole = await asyncio.start_server(never, "127.0.0.1", 0)
    silent = postgres.app.model_copy(update={"host": "127.0.0.1", "port": hole.sockets[0].getsockname()[1]})
    async with front(silent, seed, request_budget_seconds=0.2) as stuck:
        started = time.monotonic()
        problem(await stuck.call("agent", "GET", "/api/me"), 503, "unavailable")
        assert time.monotonic() - started < 2
        started = time.monotonic()
        problem(await stuck.call(None, "GET", "/readyz"), 503, "unavailable")
        assert time.monotonic() - started < 3
    hole.close()
    await hole.wait_closed()


async def test_a_pool_used_up_is_503_and_recovers(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, db_pool_size=1, request_budget_seconds=5) as narrow:
        engine = narrow.app.state.services.engine
        async with engine.connect():
            problem(await narrow.call("agent", "GET", "/api/me"), 503, "unavailable")
        assert (await narrow.call("agent", "GET", "/api/me")).status_code == 200


async def test_a_connection_that_the_server_closed_is_replaced_unnoticed(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, db_pool_size=1) as running:
        assert (await running.call("lead", "GET", "/api/teams")).status_code == 200
        with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'summit_app' and pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.1)
        assert (await running.call("lead", "GET", "/api/teams")).status_code == 200


async def test_over_a_real_socket_too(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed) as running:
        server = Server(Config(running.app, port=free_port(), lifespan="off", log_config=None, http=Wire))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.config.port}") as http:
            headers = JSON | {"Authorization": f"Bearer {running.token('admin')}"}
            problem(await http.post("/api/teams", content=b"x" * 1_200_000, headers=headers), 413, "body-too-large")

            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(3):
                    yield json.dumps("x" * 500_000).encode()

            problem(await http.post("/api/teams", content=chunks(), headers=headers), 413, "body-too-large")
            assert (await http.get("/api/me", headers=headers)).status_code == 200
            head = await http.head("/api/me", headers=headers)
            assert (head.status_code, head.content) == (200, b"")
        told = await sent(server.config.port, b"GET /api/me HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
        problem(told, 400, "bad-request")
        problem(await sent(server.config.port, b"\x16\x03\x01\r\n\r\n"), 400, "bad-request")
        server.should_exit = True
        await task


async def sent(port: int, request: bytes) -> httpx.Response:
    """The answer to bytes that no client library would send; the server hangs up after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


async def test_an_answer_names_a_hundred_bad_fields_at_most(api: Front) -> None:
    body = {f"field{n}": n for n in range(5000)}
    document = problem(await api.call("admin", "POST", "/api/teams", json=body), 422, "invalid")
    assert len(document["errors"]) == 100
