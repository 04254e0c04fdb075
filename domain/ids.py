"""Ids as functions of what they name, so that a repeat finds what the first try made."""

import hashlib
from uuid import UUID


def digest(*parts: object) -> bytes:
    """SHA-256 over the parts, each with its length, so that no two lists of parts run into one another."""
    h = hashlib.sha256()
    for part in parts:
        data = str(part).encode("utf-8", "surrogatepass")
        h.update(len(data).to_bytes(8, "big"))
        h.update(data)
    return h.digest()


def derived_id(*parts: object) -> UUID:
    """A version 8 UUID (RFC 9562) made of `parts`."""
    raw = bytearray(digest(*parts)[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def command_id(tenant_id: UUID, principal: str, route: str, entity: UUID | str, key: str) -> str:
    """The id of a command sent under an Idempotency-Key (docs/decisions/002-commands.md)."""
    return digest(tenant_id, principal, route, entity, key).hex()[:40]


def fingerprint(body: bytes | str) -> str:
    """The hash that tells two request bodies under one key apart."""
    return hashlib.sha256(body if isinstance(body, bytes) else body.encode()).hexdigest()[:32]


def workflow_id(kind: str, process_id: UUID) -> str:
    """The workflow of a process; reads well in the Temporal UI."""
    return f"{kind}/{process_id}"


def process_of(workflow: str) -> tuple[str, UUID]:
    """The kind and the process that a workflow id names. Raises ValueError when it is no process's."""
    kind, _, process_id = workflow.partition("/")
    return kind, UUID(process_id)


def wake_id(revision: int) -> str:
    """The command id of the decision that a timer or a wake signal causes at `revision`."""
    return f"wake/{revision}"


def effect_id(workflow: str, revision: int, n: int) -> str:
    """The child workflow that carries out the n-th effect of a decision."""
    return f"{workflow}/{revision}/{n}"


def opening_id(ticket_id: UUID) -> UUID:
    """The first comment of a follow-up ticket: the reply that opened it."""
    return derived_id(ticket_id, "opening")
