"""`summit up` from nothing: the printed call works, what is killed comes back, and a second start finds the first's data."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from runtime.embedded.files import read_json
from runtime.embedded.processes import leftovers, postgres_processes, until
from tests.chaos import mail
from tests.stack import ROOT, start_stack, stop_stack

pytestmark = pytest.mark.stack

KEYS = """apiUrl databaseUrl logins mailDir otherTenantId pids portalUrl smtpPort supportAddress taskQueue
temporalAddress temporalNamespace temporalUrl tenantId tokens"""
ROLES = {"admin", "lead", "agent", "customer", "otherAdmin"}


class Installation:
    """One data directory and the supervisor that runs it now."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.supervisor: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.supervisor = await start_stack(self.directory)

    @property
    def stack(self) -> dict[str, Any]:
        return read_json(self.directory / "stack.json")

    @property
    def printed(self) -> str:
        return (self.directory / "up.log").read_text()

    async def create_ticket(self, subject: str) -> httpx.Response:
        stack = self.stack
        body = {"customerEmail": "customer@example.com", "subject": subject, "description": "It does not work."}
        headers = {"Authorization": f"Bearer {stack['tokens']['agent']}"}
        async with httpx.AsyncClient(base_url=stack["apiUrl"], headers=headers, timeout=15) as client:
            return await client.post("/api/tickets", json=body)

    async def works(self) -> bool:
        try:
            return (await self.create_ticket("Probe")).status_code == httpx.codes.CREATED
        except (httpx.TransportError, KeyError):
            return False


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("up"))
    await running.start()
    yield running
    if running.supervisor is not None:
        await stop_stack(running.supervisor, running.directory)


async def summit(*arguments: str) -> tuple[int, str]:
    """What the command line answers, in an environment that names no server."""
    command = (sys.executable, "-m", "cli.main", *arguments)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES", "TEMPORAL"))}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


async def test_the_command_line_works_with_what_runs_on_a_directory(installation: Installation) -> None:
    code, said = await summit("--data", str(installation.directory), "doctor")
    assert (code, "WRONG" in said) == (0, False), said
    code, said = await summit("--data", str(installation.directory), "tenant", "create", "from-the-cli", "New")
    assert code == 0, said


async def test_the_command_line_says_that_nothing_runs_there(tmp_path: Path) -> None:
    code, said = await summit("--data", str(tmp_path), "doctor")
    assert code == 2
    assert "nothing runs" in said


async def test_stack_json_is_complete_and_private(installation: Installation) -> None:
    stack = installation.stack
    assert sorted(stack) == KEYS.split()
    assert set(stack["tokens"]) == set(stack["logins"]) == ROLES
    assert set(stack["pids"]) == {"supervisor", "postgres", "temporal", "worker", "api", "portal"}
    assert (installation.directory / "stack.json").stat().st_mode & 0o777 == 0o600
    assert all(psutil.pid_exists(pid) for pid in stack["pids"].values() if pid)


async def test_the_printed_call_creates_a_ticket(installation: Installation) -> None:
    printed = re.search(r"^curl .*?^}'$", installation.printed, re.MULTILINE | re.DOTALL)
    assert printed is not None
    # Sent as the shell would split it, but by our own client: a machine without curl must pass too.
    _curl, _quiet, url, *options = shlex.split(printed[0].replace("\\\n", " "))
    headers = dict(
        value.split(": ", 1) for flag, value in zip(options[::2], options[1::2], strict=True) if flag == "-H"
    )
    async with httpx.AsyncClient(timeout=15) as client:
        answer = await client.post(url, headers=headers, content=options[-1])
    assert answer.status_code == httpx.codes.CREATED
    assert answer.json()["subject"] == "Unable to access dashboard"


async def test_the_customer_gets_a_mail_into_the_directory_that_is_printed(installation: Installation) -> None:
    stack = installation.stack
    ticket = (await installation.create_ticket("A mail, please")).json()
    headers = {"Authorization": f"Bearer {stack['tokens']['agent']}"}
    async with httpx.AsyncClient(base_url=stack["apiUrl"], headers=headers, timeout=15) as client:
        comments = f"/api/tickets/{ticket['id']}/comments"
        assert (await client.post(comments, json={"body": "Here it is."})).status_code == httpx.codes.CREATED

    async def came() -> bool:
        mails = [path.read_text() for path in Path(stack["mailDir"]).glob("new/*")]
        return any("Here it is." in mail and "To: customer@example.com" in mail for mail in mails)

    await until(came, seconds=20)
    assert f"Mail               {stack['mailDir']}" in installation.printed


async def test_doctor_finds_nothing_wrong(installation: Installation) -> None:
    worker = psutil.Process(installation.stack["pids"]["worker"])
    doctor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "doctor"), cwd=ROOT, env=worker.environ(), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await doctor.communicate()
    assert doctor.returncode == 0, said.decode()


@pytest.mark.parametrize("name", ["worker", "api", "temporal", "postgres"])
async def test_a_killed_process_is_replaced_and_the_stack_works_again(installation: Installation, name: str) -> None:
    before = installation.stack["pids"][name]
    os.kill(before, signal.SIGKILL)
    await until(lambda: _changed(installation, name, before), seconds=30)
    await until(installation.works, seconds=60, every=0.3)


async def test_mail_to_the_printed_address_becomes_a_ticket(installation: Installation) -> None:
    stack = installation.stack
    subjects, _ = await mail.deliver_all(stack, 1)
    assert await mail.settled(stack["databaseUrl"], subjects) == (0, 0)
    assert f"{stack['supportAddress']}, by SMTP at 127.0.0.1:{stack['smtpPort']}" in installation.printed


async def test_sixty_mails_sent_while_the_api_is_killed_become_sixty_tickets(installation: Installation) -> None:
    kills = 0

    async def kill_again_and_again() -> None:
        nonlocal kills
        while True:
            await until(installation.works, seconds=60)
            await asyncio.sleep(0.3)
            os.kill(installation.stack["pids"]["api"], signal.SIGKILL)
            kills += 1

    killing = asyncio.create_task(kill_again_and_again())
    try:
        subjects, again = await mail.deliver_all(installation.stack, 60)
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    await until(installation.works, seconds=60, every=0.3)
    assert await mail.settled(installation.stack["databaseUrl"], subjects) == (0, 0)
    assert (kills > 0, again > 0) == (True, True), "the kills came too late to matter"


async def test_after_killing_everything_the_next_start_has_the_data_and_the_ports(installation: Installation) -> None:
    ticket = (await installation.create_ticket("Written before the end")).json()
    before = installation.stack
    for pid in before["pids"].values():
        if pid:
            os.kill(pid, signal.SIGKILL)
    assert installation.supervisor is not None
    await installation.supervisor.wait()
    await installation.start()
    stack = installation.stack
    assert {name: stack[name] for name in ("apiUrl", "databaseUrl", "logins", "tenantId")} == {
        name: before[name] for name in ("apiUrl", "databaseUrl", "logins", "tenantId")
    }
    headers = {"Authorization": f"Bearer {stack['tokens']['agent']}"}
    async with httpx.AsyncClient(base_url=stack["apiUrl"], headers=headers, timeout=15) as client:
        found = await client.get(f"/api/tickets/{ticket['id']}")
    assert found.json()["subject"] == "Written before the end"


async def test_a_supervisor_killed_alone_leaves_nothing_that_the_next_one_does_not_end(
    installation: Installation,
) -> None:
    before = installation.stack["pids"]
    os.kill(before["supervisor"], signal.SIGKILL)
    assert installation.supervisor is not None
    await installation.supervisor.wait()
    await installation.start()
    assert not any(psutil.pid_exists(pid) for pid in before.values() if pid)
    assert await installation.works()


async def test_a_second_supervisor_is_refused(installation: Installation) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "up", "--data", str(installation.directory), "--ports", "auto"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await second.communicate()
    assert second.returncode == 1
    assert f"in use by the supervisor with pid {installation.stack['pids']['supervisor']}" in said.decode()
    assert await installation.works()


async def test_sigterm_stops_everything(installation: Installation) -> None:
    supervisor = installation.supervisor
    assert supervisor is not None
    supervisor.terminate()
    async with asyncio.timeout(60):
        assert await supervisor.wait() == 0
    assert leftovers(installation.directory) == []
    assert postgres_processes(installation.directory / "postgres") == []
    assert not (installation.directory / "stack.json").exists()
    assert installation.printed.rstrip().endswith("Stopped")


async def _changed(installation: Installation, name: str, before: int) -> bool:
    return bool(installation.stack["pids"][name] != before)
