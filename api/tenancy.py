"""The tenant of the request at hand, so that no body can name another one."""

from contextvars import ContextVar
from typing import Final
from uuid import UUID

from domain.process import Forbidden

CURRENT_TENANT: Final[ContextVar[UUID | None]] = ContextVar("tenant", default=None)


class ForeignTenant(Forbidden):
    """The body names a tenant that is not the caller's."""

    def __init__(self) -> None:
        super().__init__("`tenantId` must be your own tenant; it may be left out.")


def own_tenant(tenant_id: UUID) -> UUID:
    """`tenant_id`, when it is the caller's. Raises ForeignTenant, also where no caller is known."""
    if tenant_id != CURRENT_TENANT.get():
        raise ForeignTenant
    return tenant_id
