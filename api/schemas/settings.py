"""A tenant's settings on the wire."""

from typing import Annotated, Any

from pydantic import Field, StrictBool

from api.schemas.common import Body, Line, Resource

UNSET: Any = None
"""The default of a field that may be left out and may not be null."""

Minutes = Annotated[int, Field(ge=0, le=525_600)]
"""A span in minutes, up to a year; 0 switches off what it times."""


class SettingsView(Resource):
    """How the desk keeps its tickets moving.

    A customer who is waited for is reminded after `remindAfterMinutes`; `resolveAfterMinutes` later the ticket is resolved. A
    resolved ticket closes after `reopenGraceMinutes`. 0 switches reminding or resolving off, and closes at once. With `acknowledge`
    customers who write a mail or ask on the portal are told at once that it has come. With `mergeReopens` a resolved ticket is
    reopened when one is merged into it whose customer waits for an answer.
    """

    slug: str
    name: str
    remind_after_minutes: int = Field(examples=[4320])
    resolve_after_minutes: int = Field(examples=[10080])
    reopen_grace_minutes: int = Field(examples=[10080])
    acknowledge: bool
    merge_reopens: bool


class SettingsPatch(Body):
    """Only the settings that are sent change; open promises are derived again within minutes."""

    name: Line = UNSET
    remind_after_minutes: Minutes = UNSET
    resolve_after_minutes: Minutes = UNSET
    reopen_grace_minutes: Minutes = UNSET
    acknowledge: StrictBool = UNSET
    merge_reopens: StrictBool = UNSET
