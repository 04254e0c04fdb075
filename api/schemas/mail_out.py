"""Mail out on the wire: wordings of mails to customers, and addresses that get none."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Body, Email, Line, OwnTenant, View, storable

Subject = Annotated[
    str, StringConstraints(max_length=200), AfterValidator(storable), Field(examples=["About {{ subject }}"])
]
Wording = Annotated[
    str,
    StringConstraints(max_length=20_000),
    AfterValidator(storable),
    Field(examples=["Thank you! Your request is {{ number }}.\n\nSee it here: {{ link }}"]),
]

HELP = (
    "Plain text with names such as `{{ number }}`; blank lines part paragraphs. A line that names something which a mail does not "
    "know is left out of it. A line such as `See your request: {{ link }}` becomes a link."
)


class PlaceholderView(View):
    """A name that a wording may say."""

    name: str = Field(examples=["number"])
    meaning: str = Field(examples=["the request's number, such as SUP-1042"])
    needed: bool = Field(description="The wording must say it.")


class WordingView(View):
    """A subject and a text; null is worded as ever."""

    subject: str | None
    text: str | None


class MailTemplateView(View):
    """A mail to customers: when it is sent, what it may say, how it reads by default, and how the tenant words it."""

    name: str = Field(examples=["ticket_received"])
    about: str
    placeholders: list[PlaceholderView]
    default: WordingView
    own: WordingView | None
    updated_at: datetime | None = Field(description="Null where the tenant does not word it.")
    version: int = Field(description="0 where the tenant does not word it.")


class PutMailTemplate(Body):
    """A wording; what is left out or null is worded as ever."""

    subject: Subject | None = Field(
        default=None, description="Stands behind `[SUP-1042]`. Gmail shows mails with another subject apart."
    )
    text: Wording | None = Field(default=None, description=HELP)


class PreviewMailTemplate(PutMailTemplate):
    """A wording to try; what is left out or null is as it stands."""

    footer: Wording | None = Field(default=None, description="The footer to try with it.")


class MailPreviewView(View):
    """A mail with made-up values."""

    subject: str
    text: str
    html: str


class SuppressionView(View):
    """An address that gets no mail. It never changes: it is lifted, and may be made anew."""

    address: str = Field(examples=["casey@shop.example"])
    reason: str = Field(examples=["The mail server refuses the recipient (550)."])
    status: str | None = Field(description="What the server said, such as 5.1.1 or 550; null by hand.")
    created_at: datetime
    updated_at: datetime
    version: int


class CreateSuppression(Body):
    """An address to send no more mail to."""

    tenant_id: OwnTenant | None = None
    address: Email
    reason: Line = Field(default="By hand.", examples=["Asked by phone to get no more mail."])
