"""What every record with versions shows of the version at hand."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.common import Resource


class Version(Resource):
    """One version of a record; `updatedAt` is when it was written, `supersededAt` when the next one was."""

    active: bool = Field(description="False once the record has ended; its versions stay.")
    author_id: UUID | None = Field(description="Who wrote this version; null for what a tenant begins with.")
    superseded_at: datetime | None = Field(description="Null for the current version.")
