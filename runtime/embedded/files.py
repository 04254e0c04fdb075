"""The data directory of an embedded stack: its layout, its lock, its secrets, and files that are never half-written."""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

DEMO_LOGINS = ("admin", "lead", "agent", "customer", "otherAdmin")
LOG_ROTATE_BYTES = 20_000_000


class AlreadyRunningError(Exception):
    """Another supervisor holds the data directory."""


def _password() -> str:
    return secrets.token_urlsafe(12)


class Secrets(BaseModel):
    """Made once per data directory: a second start must find the tokens, roles and logins of the first."""

    model_config = ConfigDict(frozen=True)

    signing: str = Field(default_factory=lambda: secrets.token_urlsafe(48))
    postgres: str = Field(default_factory=_password)
    app_role: str = Field(default_factory=_password)
    demo: dict[str, str] = Field(default_factory=lambda: {name: _password() for name in DEMO_LOGINS})


class DataDir:
    """Paths under `.summit/` (or the directory given by `--data`)."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.stack_file = self.root / "stack.json"
        self.secrets_file = self.root / "secrets.json"
        self.ports_file = self.root / "ports.json"
        self.demo_file = self.root / "demo.json"
        self.postgres = self.root / "postgres"
        self.temporal = self.root / "temporal"
        self.logs = self.root / "logs"
        self.mail = self.root / "mail"
        self.files = self.root / "files"
        self._lock_handle: int | None = None

    def prepare(self) -> None:
        """Make the directories; what is in them is for this user alone."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (self.temporal, self.logs, self.mail, self.files):
            directory.mkdir(exist_ok=True, mode=0o700)

    def lock(self) -> None:
        """Hold the directory until this process ends, however it ends; AlreadyRunningError when another one does."""
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise AlreadyRunningError(owner) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock_handle = handle

    def secrets(self) -> Secrets:
        """Read the secrets, or make them at the first start."""
        if self.secrets_file.exists():
            return Secrets.model_validate_json(self.secrets_file.read_bytes())
        made = Secrets()
        write_json(self.secrets_file, made.model_dump())
        return made

    def log(self, name: str) -> Path:
        """The log of one process, with the previous file kept when it has grown large."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_ROTATE_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one step, readable by its owner only: a reader sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file, or an empty one when there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for a message about a process that would not start."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
