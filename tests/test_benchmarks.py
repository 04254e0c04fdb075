"""The benchmark's own parts work; how fast anything is, no test asks."""

import asyncio
import random
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.bare import TASK_QUEUE, BareWorkflow, Note, nothing
from benchmarks.callers import Timing, measure
from benchmarks.client import Http, Unexpected
from benchmarks.engine import Engine
from benchmarks.texts import COMMON, Texts, vocabulary
from benchmarks.usage import Meter
from runtime.temporal import ensure_search_attributes


def test_the_same_seed_gives_the_same_text() -> None:
    assert Texts(1).words(50) == Texts(1).words(50) != Texts(2).words(50)
    assert len(set(vocabulary())) == 8000


def test_common_words_are_common_and_rare_ones_rare() -> None:
    texts = Texts(1)
    written = texts.words(20_000).split()
    assert written.count(COMMON[0]) > 100
    assert written.count(texts.rare()) < 20


async def test_callers_share_the_calls_among_them() -> None:
    seen = []

    async def operation(number: int) -> None:
        seen.append(number)
        await asyncio.sleep(random.random() / 1000)

    timing = await measure(4, 25, 10.0, operation, Meter({}))
    assert sorted(seen) == list(range(25))
    assert timing.calls == 25
    assert timing.percentile(50) <= timing.percentile(99)
    assert set(timing.cpu_per_call()) == {"client"}


def test_rounds_add_up() -> None:
    timing = Timing(seconds=[0.1], rates=[10.0], cpu={"api": 1.0})
    timing.add(Timing(seconds=[0.3], rates=[30.0], cpu={"api": 2.0}))
    assert (timing.calls, timing.rate, timing.cpu) == (2, 20.0, {"api": 3.0})


async def test_the_raw_client_keeps_its_connection_and_refuses_surprises() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            head = await reader.readuntil(b"\r\n\r\n")
            status = b"404 Not Found" if b"/missing" in head else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b'\r\nContent-Length: 7\r\n\r\n{"a":1}')

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Http(f"http://127.0.0.1:{port}", "token") as http:
        assert (await http.get("/x", {"status": ["A", "B"]})).json() == {"a": 1}
        with pytest.raises(Unexpected):
            await http.get("/missing")
    assert connections == 1


async def test_the_bare_workflow_creates_and_changes(temporal_env: WorkflowEnvironment) -> None:
    await ensure_search_attributes(temporal_env.client)
    worker = Worker(
        temporal_env.client,
        task_queue=TASK_QUEUE,
        workflows=[BareWorkflow],
        activities=[nothing],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    note = Note(text="x" * 300, outcome=900, answer=600)
    engine = Engine(temporal_env.client, str(uuid4()), note, note)
    async with worker:
        await engine.create(0)
        await engine.change(0)
        for workflow_id in engine.started:
            await temporal_env.client.get_workflow_handle(workflow_id).terminate()
