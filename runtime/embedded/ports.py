"""Which ports a stack listens on: the known ones where they are free, and the same ones again after a restart."""

import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

FIXED = {"api": 3100, "postgres": 5433, "temporal": 7233, "temporalUi": 8233, "workerMetrics": 9464, "smtp": 3125}


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
        usable = [port for port in wanted if port not in chosen.values() and is_free(port)]
        chosen[name] = usable[0] if usable else _unused(chosen)
    return chosen


def _unused(chosen: Mapping[str, int]) -> int:
    while (port := free_port()) in (*chosen.values(), *FIXED.values()):
        pass
    return port
