"""Which ports a stack listens on: the known ones where they are free, and the same ones again after a restart.

A port is chosen seconds before anything listens on it, so it is claimed too: of two stacks that start at once, one gets it.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"

FIXED = {"api": 3100, "postgres": 5433, "temporal": 7233, "temporalUi": 8233, "workerMetrics": 9464, "smtp": 3125}

_claims: dict[int, int] = {}
"""The locked files by which this process claims ports, for as long as it lives."""


def claim_file(port: int) -> Path:
    """The file that whoever wants to listen on a port locks; one for each user of the machine."""
    directory = Path(tempfile.gettempdir()) / f"summit-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory / str(port)


def claim(port: int) -> bool:
    """Take a port for this process's life, so that no other stack chooses it; False when another has."""
    if port in _claims:
        return True
    file = os.open(claim_file(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return False
    _claims[port] = file
    return True


def is_free(port: int) -> bool:
    """Whether nothing listens there; a connection attempt too, since some systems allow a second, narrower bind."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def choose(previous: Mapping[str, int], *, automatic: bool) -> dict[str, int]:
    """One port for each name: the fixed one (unless automatic), else the previous run's, else any free one."""
    chosen: dict[str, int] = {}
    for name, fixed in FIXED.items():
        wanted = [] if automatic else [fixed]
        if name in previous:
            wanted.append(previous[name])
        usable = (port for port in wanted if port not in chosen.values() and is_free(port) and claim(port))
        chosen[name] = next(usable, None) or _unused(chosen)
    return chosen


def _unused(chosen: Mapping[str, int]) -> int:
    while (port := free_port()) in (*chosen.values(), *FIXED.values()) or not claim(port):
        pass
    return port
