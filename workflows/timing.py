"""Every timeout, retry policy and limit of the shells, by name."""

from datetime import timedelta
from typing import Any, Final

from temporalio.common import Priority, RetryPolicy, WorkflowIDReusePolicy
from temporalio.workflow import ParentClosePolicy

ROLL_OVER_ATTEMPTS: Final = 50
"""Attempted decisions after which a history continues as new: 300 to 450 events, which replay in about 0.2 s."""

UPDATE_ATTEMPT: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=3),
    "schedule_to_close_timeout": timedelta(seconds=10),
    "local_retry_threshold": timedelta(seconds=10),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3),
}
"""Deciding an update: no longer than its caller waits. The decision itself gives up after 2.5 s, so three tries take less than 8 s.

The tries are counted and not timed: a local activity whose schedule-to-close timeout passes during a retry is retried for ever by the
SDK (temporalio 1.35), with a heartbeat every four seconds.
"""

TIMER_ATTEMPT: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=3),
    "schedule_to_close_timeout": timedelta(seconds=10),
    "local_retry_threshold": timedelta(seconds=10),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
"""Deciding a creation, a timer or a signal: within one workflow task, so that an outage costs few events; then the shell backs off."""

EFFECT_OPTIONS: Final[dict[str, Any]] = {
    "parent_close_policy": ParentClosePolicy.ABANDON,
    "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
    "priority": Priority(priority_key=2),
}
"""Effects outlive the process that asked for them, and none runs twice."""


def back_off(attempts: int) -> timedelta:
    """The pause after so many failed attempts: 2 s, then three times as long each time, 30 s at most."""
    return timedelta(seconds=min(30, 2 * 3 ** min(attempts, 3)))
