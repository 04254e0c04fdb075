"""JSON logs, one event per line, ours and the libraries': ids travel by context, contents never."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import Processor

__all__ = ["bind_contextvars", "bound_contextvars", "clear_contextvars", "configure"]

PRIVATE_KEYS = frozenset(
    {
        "address",
        "api_key",
        "authorization",
        "body",
        "comment",
        "content",
        "cookie",
        "customer_email",
        "description",
        "email",
        "headers",
        "new_password",
        "params",
        "password",
        "payload",
        "query",
        "secret",
        "subject",
        "text",
        "to",
        "token",
        "url",
    }
)
"""What people wrote, who they are, or what opens doors: a slip of the caller that is not printed."""

# Messages of libraries quote values: psycopg the row that collided, SQLAlchemy the parameters, pydantic the input.
_QUOTED_VALUES = re.compile(r"DETAIL:.*|CONTEXT:.*|\[parameters:.*\]|input_value=.*?(?=, input_type=)")
_ADDRESS = re.compile(r"[^\s@<>\"'(),;=]+@[^\s@<>\"'(),;]+")

QUIET = {
    "uvicorn.access": logging.WARNING,  # the API writes its own request line, without the caller's address
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "alembic": logging.WARNING,
    "sse_starlette": logging.WARNING,  # it writes each event at debug
    "aiosmtplib": logging.WARNING,
}


def configure(level: str = "info", service: str = "summit") -> None:
    """Route structlog and the standard library's logging to stderr as JSON. Call once, in the composition root."""
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _temporal_ids],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_service,
            structlog.processors.format_exc_info,
            scrub,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(capture=True)


def scrub(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last net: drop private fields and blank out addresses and quoted values in messages and tracebacks."""
    return {key: _scrubbed(value) for key, value in event.items() if key not in PRIVATE_KEYS}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub("[address]", _QUOTED_VALUES.sub("[values]", value))
    if isinstance(value, Mapping):
        return {key: _scrubbed(inner) for key, inner in value.items() if key not in PRIVATE_KEYS}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(inner) for inner in value]
    return value


def _temporal_ids(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Workflow and activity loggers hang their ids on the record; lift them to the fields that our own events use."""
    record = event.get("_record")
    for extra in ("temporal_workflow", "temporal_activity"):
        ids = getattr(record, extra, None)
        if isinstance(ids, Mapping):
            for field in ("workflow_id", "workflow_type", "activity_type", "attempt"):
                if field in ids:
                    event.setdefault(field, ids[field])
    return event
