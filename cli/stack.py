"""What an installation on one machine consists of: its servers, its processes, and the environment they get."""

import asyncio
import hmac
import http.client
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from temporalio.envconfig import ClientConfig

from runtime.embedded.files import DataDir, Secrets, read_json, write_json
from runtime.embedded.ports import LOOPBACK
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.processes import until
from runtime.embedded.supervisor import READY_SECONDS, Service
from runtime.embedded.temporal import NAMESPACE, EmbeddedTemporal
from runtime.settings import APP_ROLE, PostgresSettings, Settings
from runtime.temporal import connect, ensure_search_attributes

ROOT = Path(__file__).resolve().parents[1]
MIGRATIONS = ROOT / "migrations"
DATABASE = "summit"


@dataclass(frozen=True)
class Stack:
    """One installation; `postgres` and `temporal` are None where the environment names servers of its own."""

    files: DataDir
    ports: Mapping[str, int]
    secrets: Secrets
    postgres: EmbeddedPostgres | None
    temporal: EmbeddedTemporal | None
    owner: PostgresSettings
    temporal_address: str
    temporal_namespace: str

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['api']}"

    @property
    def temporal_url(self) -> str | None:
        return None if self.temporal is None else f"http://{LOOPBACK}:{self.ports['temporalUi']}"

    @property
    def mail_directory(self) -> str | None:
        """Where mail goes; None when a mail server takes it."""
        environment = self.environment()
        return None if environment.get("SUMMIT_SMTP_HOST") else environment["SUMMIT_MAIL_DIR"]

    @property
    def smtp_port(self) -> int | None:
        """Where mail is taken; None when the environment says that it is taken nowhere."""
        listens = self.environment()["SUMMIT_MAIL_LISTEN"]
        return int(listens.rpartition(":")[2]) if listens else None

    @property
    def task_queue(self) -> str:
        return os.environ.get("SUMMIT_TASK_QUEUE", "summit")

    def environment(self, *, owner: bool = False) -> dict[str, str]:
        """What a process of ours gets: the caller's environment, with the servers of this stack."""
        database = self.owner
        role = database.user if owner else APP_ROLE
        password = database.password.get_secret_value() if owner else self.secrets.app_role
        defaults = {
            "SUMMIT_SECRET": self.secrets.signing,
            "SUMMIT_HOST": LOOPBACK,
            "SUMMIT_TASK_QUEUE": self.task_queue,
            "SUMMIT_RATE_LIMIT_PRINCIPAL": "",
            "SUMMIT_ALLOW_TARGETS": "127.0.0.0/8,::1/128",
            "SUMMIT_PUBLIC_URL": self.api_url,
            "SUMMIT_MAIL_DIR": str(self.files.mail),
            "SUMMIT_MAIL_LISTEN": f"{LOOPBACK}:{self.ports['smtp']}",
            "SUMMIT_FILES_DIR": str(self.files.files),
        }
        return {
            **defaults,
            **os.environ,
            "POSTGRES_HOST": database.host,
            "POSTGRES_PORT": str(database.port),
            "POSTGRES_DB": database.db,
            "POSTGRES_USER": role,
            "POSTGRES_PASSWORD": password,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": self.temporal_namespace,
            "PORT": str(self.ports["api"]),
            "SUMMIT_WORKER_METRICS_PORT": str(self.ports["workerMetrics"]),
            "PYTHONUNBUFFERED": "1",
        }

    def servers(self) -> list[Service]:
        """The embedded servers."""
        services = []
        if self.postgres is not None:
            services.append(
                Service(
                    name="postgres",
                    command=self.postgres.command(),
                    environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                    directory=self.postgres.data,
                    before=self.postgres.end_orphans,
                    ready=self.postgres.wait_until_ready,
                    # Fast shutdown; a backend that hangs must not keep the others from stopping.
                    stop_signals=((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)),
                    user=self.postgres.system_user,
                )
            )
        if self.temporal is not None:
            services.append(
                Service(
                    name="temporal",
                    command=self.temporal.command(),
                    environment=dict(os.environ),
                    directory=self.files.temporal,
                    before=self.temporal.prepare,
                    ready=self.temporal.wait_until_ready,
                    tries=3,  # it takes free ports of its own, and panics when one is gone at once
                )
            )
        return services

    def processes(self) -> list[Service]:
        """Our own processes."""
        metrics = f"http://{LOOPBACK}:{self.ports['workerMetrics']}/metrics"
        return [
            Service(
                name="worker",
                command=[sys.executable, "-m", "worker"],
                environment=self.environment(),
                directory=ROOT,
                # The port opens before the worker polls; the gauge of pollers appears when it does.
                ready=lambda: _wait_for(metrics, containing="temporal_num_pollers"),
            ),
            Service(
                name="api",
                command=[sys.executable, "-m", "api.main"],
                environment=self.environment(),
                directory=ROOT,
                ready=lambda: _wait_for(f"{self.api_url}/readyz"),
            ),
        ]

    async def prepare_servers(self) -> None:
        """Before the first start: make the cluster. Killed at any moment, the next call begins again."""
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.prepare)

    async def prepare_database(self) -> None:
        """After the servers are ready: the database itself."""
        if self.postgres is not None:
            await self.postgres.ensure_database(DATABASE)

    def is_migrated(self) -> bool:
        """Whether the embedded cluster has seen exactly these migrations; asking Alembic would take seconds."""
        # The note lies inside the cluster, so that deleting the data deletes it too.
        note = self._migration_note()
        return note is not None and note.exists() and note.read_text() == self._release()

    def remember_migrated(self) -> None:
        """Note that migrating succeeded."""
        if (note := self._migration_note()) is not None:
            note.write_text(self._release())

    def demo_is_fresh(self) -> bool:
        """Whether this release loaded the demo within the hour, so that its tokens are good for most of their day."""
        known = read_json(self.files.demo_file)
        young = time.time() - known.get("madeAt", 0) < timedelta(hours=1).total_seconds()
        return young and known.get("madeFor") == self._demo_key() and self.is_migrated()

    def remember_demo(self) -> None:
        """Note for whom and when the demo was loaded."""
        known = read_json(self.files.demo_file)
        write_json(self.files.demo_file, {**known, "madeAt": time.time(), "madeFor": self._demo_key()})

    def _migration_note(self) -> Path | None:
        return None if self.postgres is None else self.postgres.data / "summit_migrations"

    def _release(self) -> str:
        return _digest(*sorted(MIGRATIONS.rglob("*.py")), secret=self.secrets.app_role)

    def _demo_key(self) -> str:
        return _digest(ROOT / "cli" / "demo.py", secret=self.environment()["SUMMIT_SECRET"])

    async def prepare_namespace(self) -> None:
        """On a Temporal server of the user's own: the search attributes, which the embedded one has from its start."""
        if self.temporal is None:
            await ensure_search_attributes(await connect(Settings()))


def plan(files: DataDir, ports: Mapping[str, int]) -> Stack:
    """Decide which servers to embed: those that POSTGRES_HOST and TEMPORAL_* do not name."""
    secrets = files.secrets()
    postgres = temporal = None
    if "POSTGRES_HOST" in os.environ:
        owner = PostgresSettings()
    else:
        postgres = EmbeddedPostgres(files.postgres, ports["postgres"], secrets.postgres)
        owner = postgres.settings(DATABASE)
    if any(name in os.environ for name in ("TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE")):
        named = ClientConfig.load_client_connect_config()
        address, namespace = named.get("target_host", ""), named.get("namespace", "default")
    else:
        temporal = EmbeddedTemporal(files.temporal, ports["temporal"], ports["temporalUi"])
        address, namespace = temporal.address, NAMESPACE
    return Stack(files, ports, secrets, postgres, temporal, owner, address, namespace)


def running_environment(directory: Path, *, owner: bool) -> dict[str, str]:
    """What a command gets that is to work with the installation on this directory: as the database's owner, or as API and worker."""
    files = DataDir(directory)
    return plan(files, json.loads(files.ports_file.read_bytes())).environment(owner=owner)


def _digest(*files: Path, secret: str) -> str:
    digest = hmac.new(secret.encode(), digestmod="sha256")
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


async def _wait_for(url: str, containing: str = "") -> None:
    # Plain urllib: an HTTP client would double the start-up time of this process. No proxies: it is loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> bool:
        try:
            with opener.open(url, timeout=2.0) as response:
                return response.status == HTTPStatus.OK and containing.encode() in response.read()
        except (OSError, http.client.HTTPException):
            return False

    async def answers() -> bool:
        return await asyncio.to_thread(ask)

    await until(answers, READY_SECONDS)
