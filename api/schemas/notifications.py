"""Inbox, log and preferences on the wire."""

from datetime import datetime, time
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.schemas.common import Body, Resource, TimeZone, View
from domain.process import Channel
from runtime.targets import Forbidden, Targets

ANYWHERE = Targets.read("0.0.0.0/0,::/0")
"""For the form of a URL alone; which networks may be called, the settings say."""


def callable_url(text: str) -> str:
    """`text`, when it could be called."""
    try:
        ANYWHERE.check(text)
    except Forbidden as error:
        raise PydanticCustomError("url", "{reason}", {"reason": str(error)}) from None
    return text


def distinct(values: list[Channel]) -> list[Channel]:
    """`values`, unless one comes twice."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "must not name a channel twice")
    return values


WALL: str = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

CallableUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(callable_url)]
PersonalChannel = Literal[Channel.EMAIL, Channel.IN_APP, Channel.SLACK]
WallTime = Annotated[str, StringConstraints(pattern=WALL), Field(examples=["22:00"])]
ShownTime = Annotated[time, PlainSerializer(lambda value: f"{value:%H:%M}", return_type=str)]


class QuietHoursBody(Body):
    """When not to disturb, in wall time of the zone; may cross midnight. Pages come all the same."""

    time_zone: TimeZone
    starts: Annotated[WallTime, Field(alias="from")]
    ends: Annotated[WallTime, Field(alias="until", examples=["07:00"])]

    @field_validator("ends")
    @classmethod
    def _not_empty(cls, ends: str, info: ValidationInfo) -> str:
        if ends == info.data.get("starts"):
            raise PydanticCustomError("empty", "must differ from `from`")
        return ends


class PageRuleBody(Body):
    """A channel that is tried so long after a page began. Kept for on-call; until then pages go everywhere at once."""

    channel: PersonalChannel
    delay_minutes: Annotated[int, Field(strict=True, ge=0, le=1440)] = 0


class PreferencesBody(Body):
    """All preferences of a person; what is left out is set back. `slackUrl` is an incoming webhook of the person's own.

    They hold for the staff. Customers may keep theirs, but are told of their requests by mail, and at once.
    """

    slack_url: CallableUrl | None = None
    channels: Annotated[list[PersonalChannel], Field(max_length=3), AfterValidator(distinct)] = [
        Channel.IN_APP,
        Channel.EMAIL,
    ]
    quiet_hours: QuietHoursBody | None = None
    page_rules: Annotated[
        list[PageRuleBody],
        Field(
            max_length=10, description="Kept, but without effect until there is on-call: pages go everywhere at once."
        ),
    ] = []

    @field_validator("channels")
    @classmethod
    def _there_is_a_chat(cls, channels: list[Channel], info: ValidationInfo) -> list[Channel]:
        if Channel.SLACK in channels and info.data.get("slack_url", "invalid") is None:
            raise PydanticCustomError("required", "must not name SLACK without a slackUrl")
        return channels


class QuietHoursView(View):
    """When not to disturb."""

    time_zone: str
    starts: Annotated[ShownTime, Field(serialization_alias="from")]
    ends: Annotated[ShownTime, Field(serialization_alias="until")]


class PageRuleView(View):
    """A channel that is tried so long after a page began."""

    channel: Channel
    delay_minutes: int


class PreferencesView(View):
    """What a person wants of us."""

    channels: list[Channel]
    quiet_hours: QuietHoursView | None
    page_rules: list[PageRuleView]
    slack_url: str | None


class NotificationView(Resource):
    """An entry of the caller's inbox; `link` leads to what it is about. It changes once, when it is read: then its version is 2."""

    template: str = Field(examples=["ticket_assigned"])
    title: str = Field(examples=["[SUP-1042] Assigned to you: Unable to access dashboard"])
    process: str | None = Field(examples=["ticket"])
    entity_id: UUID | None
    link: str | None = Field(examples=["/api/tickets/0198c7f2-6c1e-7d3a-9b3f-3f1f6d2f9a11"])
    read_at: datetime | None


class DeliveryState(StrEnum):
    """Where a delivery stands; DEAD ones were given up."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class LoggedNotificationView(View):
    """A row of the outbox: to whom what went how, or why it did not. Copies name the row that they were fanned out from."""

    id: UUID
    template: str
    recipient: str
    channel: Channel
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None
    error: str | None
    entity_id: UUID | None
    parent_id: UUID | None
    digest_id: UUID | None
    created_at: datetime
