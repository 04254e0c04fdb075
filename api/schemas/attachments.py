"""Stored files on the wire."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field

from api.schemas.common import Resource, View

UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "minLength": 1,
                            "description": "Exactly one file; at most `SUMMIT_MAX_FILE_BYTES` (25 MB unless set).",
                        }
                    },
                }
            }
        },
    }
}
"""The body of an upload, which the framework does not read."""


class FileView(View):
    """A file as it hangs on a comment."""

    id: UUID
    file_name: str = Field(examples=["screenshot.png"])
    content_type: str = Field(examples=["image/png"])
    size: int


class AttachmentView(Resource):
    """A stored file. The content type is told by its first bytes; what a browser might run is `application/octet-stream`.

    `commentId` is null for what nothing has been said with yet, and for what came with the ticket itself.
    """

    ticket_id: UUID | None
    comment_id: UUID | None
    internal: bool
    file_name: str = Field(examples=["screenshot.png"])
    content_type: str = Field(examples=["image/png"])
    size: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    uploaded_by: UUID | None = Field(description="Nobody, for what came by mail.")


MOST_FILES: Final = 20

AttachmentIds = Annotated[
    list[UUID],
    Field(max_length=MOST_FILES, description="Files uploaded before, which nothing was said with yet."),
    AfterValidator(lambda ids: list(dict.fromkeys(ids))),
]
