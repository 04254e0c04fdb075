"""Webhooks on the wire."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, StrictBool
from pydantic_core import PydanticCustomError

from api.schemas.common import Body, OwnTenant, Resource, View, left_out
from api.schemas.notifications import CallableUrl, DeliveryState
from domain.notifications.events import EVENTS, PATTERNS

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = (24, 64)
"""The least and the most that Standard Webhooks allows."""

EVENTS_HELP: Final = "`*` means everything, `ticket.*` everything about tickets. " + " ".join(
    f"`{name}`: {what}." for name, what in EVENTS.items()
)


def event_name(text: str) -> str:
    """`text`, when it names events that there are."""
    if text not in PATTERNS:
        raise PydanticCustomError("event", "must be one of {known}", {"known": ", ".join(PATTERNS)})
    return text


def signing_secret(secret: SecretStr) -> SecretStr:
    """`secret`, when it can sign."""
    text = secret.get_secret_value()
    try:
        size = len(base64.b64decode(text.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not text.startswith(PREFIX) or not SECRET_BYTES[0] <= size <= SECRET_BYTES[1]:
        raise PydanticCustomError("secret", "must be whsec_ and 24 to 64 bytes in base64")
    return secret


EventName = Annotated[
    str, Field(examples=["ticket.*"], json_schema_extra={"enum": list(PATTERNS)}), AfterValidator(event_name)
]
Events = Annotated[
    list[EventName],
    Field(min_length=1, max_length=50, description=EVENTS_HELP, examples=[["ticket.created", "ticket.sla_breached"]]),
    AfterValidator(lambda names: list(dict.fromkeys(names))),
]
Secret = Annotated[SecretStr, Field(max_length=200), AfterValidator(signing_secret)]
Format = Literal["STANDARD", "SLACK"]


class WebhookView(Resource):
    """Where events are posted to: STANDARD as Standard Webhooks, signed; SLACK as one line for a chat."""

    url: str
    events: list[str]
    format: Format
    active: bool
    previous_secret_until: datetime | None = Field(
        description="Until then the secret before signs as well: `webhook-signature` carries both signatures, parted by a space."
    )


class NewWebhookView(WebhookView):
    """A new webhook. The secret is shown this once; a repeat under the same Idempotency-Key has null."""

    secret: str | None


class CreateWebhook(Body):
    """A new webhook; it is told of what happens from now on. Without a secret one is made."""

    tenant_id: OwnTenant | None = None
    url: Annotated[CallableUrl, Field(examples=["https://hooks.example.com/summit"])]
    events: Events
    secret: Secret | None = None
    format: Format = "STANDARD"
    active: StrictBool = True


class ChangeWebhook(Body):
    """What to change; what is left out stays. What happens while a webhook is inactive is never told."""

    url: CallableUrl = left_out()
    events: Events = left_out()
    secret: Secret = left_out()
    format: Format = left_out()
    active: StrictBool = left_out()


class EarlierView(View):
    """How a delivery stood when it was told to begin again."""

    attempts: int
    response_status: int | None
    error: str | None
    delivered_at: datetime | None
    dead_at: datetime | None


class DeliveryView(View):
    """One event told to one webhook: how often it was tried, what came back, when it is tried again."""

    id: UUID
    webhook_id: UUID
    type: str = Field(examples=["ticket.created"])
    entity: str
    entity_id: UUID
    sequence: int = Field(description="As in the body: it grows with every event of the same entity.")
    state: DeliveryState
    attempts: int
    response_status: int | None = Field(
        description="What the last call was answered with. A 4xx is final, but for 408, 425 and 429: the delivery is DEAD at once."
    )
    error: str | None = Field(examples=["The receiver refuses it (422)."])
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None
    earlier: list[EarlierView] = Field(description="How it ended before each replay, the oldest first.")
    created_at: datetime
