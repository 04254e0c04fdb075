"""The supervisor on real processes: what dies comes back, what was left behind is ended, what stops stops cleanly."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import psycopg
import pytest
import pytest_asyncio

from runtime.embedded import ports
from runtime.embedded.files import AlreadyRunningError, DataDir, read_json, write_json
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.processes import end, leftovers, until
from runtime.embedded.supervisor import Service, StartError, Supervisor
from runtime.embedded.temporal import EmbeddedTemporal

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def files(tmp_path: Path) -> DataDir:
    directory = DataDir(tmp_path / "stack")
    directory.prepare()
    return directory


@pytest.fixture
def said() -> list[str]:
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def supervisor(files: DataDir, said: list[str]) -> AsyncIterator[Supervisor]:
    watched = Supervisor(files, said.append)
    yield watched
    await watched.stop(*watched.pids())


def sleeper(name: str = "sleeper", command: list[str] | None = None) -> Service:
    return Service(name=name, command=command or SLEEPER, environment=dict(os.environ), directory=Path.cwd())


async def replaced(supervisor: Supervisor, name: str, pid: int) -> int:
    async def another() -> bool:
        return supervisor.pids()[name] != pid

    await until(another, seconds=20)
    return supervisor.pids()[name]


async def test_what_is_killed_comes_back_and_a_line_says_so(supervisor: Supervisor, said: list[str]) -> None:
    await supervisor.start(sleeper())
    first = supervisor.pids()["sleeper"]
    os.kill(first, signal.SIGKILL)
    second = await replaced(supervisor, "sleeper", first)
    assert psutil.Process(second).is_running()
    assert "sleeper ended (killed by SIGKILL); starting it again in 0.2 s" in said


async def test_a_process_that_keeps_dying_is_started_at_growing_intervals(
    supervisor: Supervisor, said: list[str]
) -> None:
    await supervisor.start(sleeper(command=[sys.executable, "-c", "import time; time.sleep(0.3)"]))
    await asyncio.sleep(2.5)
    pauses = [line.rsplit(" in ", 1)[1] for line in said if "starting it again" in line]
    assert pauses[:3] == ["0.2 s", "0.4 s", "0.8 s"]


async def test_a_process_that_cannot_start_is_reported_with_the_end_of_its_log(supervisor: Supervisor) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    command = [sys.executable, "-c", "import sys; sys.exit('no such colour')"]
    with pytest.raises(StartError, match="no such colour"):
        await supervisor.start(
            Service(name="broken", command=command, environment={}, directory=Path.cwd(), ready=never)
        )


async def test_a_first_start_that_only_ends_is_tried_as_often_as_its_service_says(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    async def third() -> bool:
        return len(list(tmp_path.glob("try*"))) == 3

    async def at_the_third() -> None:
        await until(third, seconds=20)

    script = (
        "import glob, tempfile, time; tempfile.mkdtemp(prefix='try', dir='.'); "
        "len(glob.glob('try*')) < 3 or time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    await supervisor.start(Service("late", command, {}, directory=tmp_path, ready=at_the_third, tries=3))
    assert said == ["late ended at its start (exit code 0); trying again"] * 2


async def test_children_of_a_killed_supervisor_are_found_and_ended(files: DataDir, supervisor: Supervisor) -> None:
    await supervisor.start(sleeper())
    pid = supervisor.pids()["sleeper"]
    assert [process.pid for process in leftovers(files.root)] == [pid]
    await supervisor.stop("sleeper")
    assert leftovers(files.root) == []


def test_a_data_directory_has_one_supervisor(files: DataDir) -> None:
    files.lock()
    with pytest.raises(AlreadyRunningError, match=str(os.getpid())):
        DataDir(files.root).lock()


def test_secrets_are_made_once_and_private(files: DataDir) -> None:
    assert files.secrets() == DataDir(files.root).secrets()
    assert files.secrets_file.stat().st_mode & 0o777 == 0o600
    assert len(files.secrets().signing) >= 32


def test_a_reader_never_sees_half_a_file(files: DataDir) -> None:
    target = files.stack_file
    write_json(target, {"a": 1})
    write_json(target, {"a": 2})
    assert read_json(target) == {"a": 2}
    assert [path.name for path in files.root.glob(".stack*")] == []


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        chosen = ports.choose({"api": port}, automatic=True)
    assert chosen["api"] != port
    assert len(set(chosen.values())) == len(chosen)


def test_a_port_that_another_stack_is_about_to_take_is_not_taken() -> None:
    port = ports.free_port()
    with ports.claim_file(port).open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        assert ports.choose({"api": port}, automatic=True)["api"] != port
    assert ports.choose({"api": port}, automatic=True)["api"] == port


def test_a_restart_takes_the_ports_of_the_run_before() -> None:
    first = ports.choose({}, automatic=True)
    assert ports.choose(first, automatic=True) == first


@pytest.mark.stack
async def test_postgres_starts_again_after_its_postmaster_was_killed_under_work(
    files: DataDir, supervisor: Supervisor
) -> None:
    server = EmbeddedPostgres(files.postgres, ports.free_port(), "secret")
    (files.root / "postgres.new.1").mkdir()  # what a killed initdb leaves
    await asyncio.to_thread(server.prepare)
    assert not list(files.root.glob("postgres.new.*"))
    service = Service(
        name="postgres",
        command=server.command(),
        environment={},
        directory=server.data,
        before=server.end_orphans,
        ready=server.wait_until_ready,
        stop_signals=((signal.SIGINT, 10.0), (signal.SIGKILL, 5.0)),
        user=server.system_user,
    )
    await supervisor.start(service)
    await server.ensure_database("summit")
    await server.ensure_database("summit")
    url = server.settings("summit").conninfo()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("create table kept as select 1 as one")
    busy = await psycopg.AsyncConnection.connect(url, autocommit=True)
    work = asyncio.create_task(busy.execute("select pg_sleep(60)"))  # its backend outlives the postmaster
    await asyncio.sleep(0.2)
    first = supervisor.pids()["postgres"]
    os.kill(first, signal.SIGKILL)
    await replaced(supervisor, "postgres", first)
    await server.wait_until_ready(30)
    with pytest.raises(psycopg.OperationalError):
        await work
    await busy.close()
    async with await psycopg.AsyncConnection.connect(url) as connection:
        assert await (await connection.execute("select one from kept")).fetchone() == (1,)


@pytest.mark.stack
async def test_a_temporal_database_cut_short_at_its_first_start_is_begun_again(
    files: DataDir, supervisor: Supervisor
) -> None:
    server = EmbeddedTemporal(files.temporal, ports.free_port(), ports.free_port())
    server.database.write_bytes(b"half-made")
    service = Service(
        name="temporal",
        command=server.command(),
        environment=dict(os.environ),
        directory=files.temporal,
        before=server.prepare,
        ready=server.wait_until_ready,
        tries=3,
    )
    await supervisor.start(service)
    assert server.complete.exists()
    server.prepare()
    assert server.database.stat().st_size > len(b"half-made")


def test_signals_follow_each_other_until_the_process_is_gone() -> None:
    stubborn = psutil.Popen(
        [
            sys.executable,
            "-c",
            "import signal,time; signal.signal(15, lambda *_: 0); print(1, flush=True); time.sleep(60)",
        ],
        stdout=-1,
    )
    stubborn.stdout.readline()
    end([stubborn], [(signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0)])
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()
