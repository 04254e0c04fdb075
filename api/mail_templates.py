"""How a tenant words its mails to customers, over HTTP."""

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Path
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from api.dependencies import Admin, IfMatch, PageQuery, Session
from api.errors import refusals
from api.paging import Page
from api.records import fresh
from api.responses import reply
from api.routing import Area
from api.schemas.mail_out import (
    MailPreviewView,
    MailTemplateView,
    PlaceholderView,
    PreviewMailTemplate,
    PutMailTemplate,
    WordingView,
)
from db.mail_templates import Row, drop_wording, own_wordings, put_wording
from domain.notifications.wording import Fault, Wording
from domain.notifications.wordings import FOOTER, KINDS, SAMPLE, SAMPLE_CHOICES, merged, wrong
from domain.process import Invalid
from notify.letters import phrased, subject_line


def known(name: str) -> str:
    """`name`, when there is such a mail to word."""
    if name not in KINDS:
        raise PydanticCustomError("template", "must be one of {known}", {"known": ", ".join(KINDS)})
    return name


router = Area(prefix="/api/mail-templates", tags=["Mail"])

TemplateName = Annotated[
    str,
    Path(description="The mail.", examples=["ticket_received"], json_schema_extra={"enum": list(KINDS)}),
    AfterValidator(known),
]

ORDER: Final = "kind"

SHOWN_WITH: Final = "ticket_reply"
"""The mail under which a footer is shown."""


class BadWording(Invalid):
    """A wording says what cannot be filled in, or not what it must."""

    def __init__(self, faults: Iterable[tuple[str, Fault]]) -> None:
        errors = [{"pointer": f"/{name}", "code": each.code, "detail": each.detail} for name, each in faults]
        super().__init__("The wording cannot be used.", errors)


@router.get("", response_model=Page[MailTemplateView])
async def list_mail_templates(admin: Admin, session: Session, page: PageQuery) -> Response:
    """Every mail to customers that can be worded, with how it reads by default and how the tenant words it."""
    own = {row["name"]: row for row in await own_wordings(session)}
    seen, names = page.after(ORDER), list(KINDS)
    first = names.index(seen[0]) + 1 if seen and seen[0] in KINDS else 0
    rows = names[first : first + page.count]
    return reply(page.page(rows, lambda name: shown(name, own.get(name)), ORDER, lambda name: [name]))


@router.get("/{template_name}", response_model=MailTemplateView)
async def get_mail_template(template_name: TemplateName, admin: Admin, session: Session) -> Response:
    """One of them."""
    view = await found(session, template_name)
    return reply(view, version=view.version)


@router.put("/{template_name}", response_model=MailTemplateView, responses=refusals(BadWording))
async def put_mail_template(
    template_name: TemplateName, body: PutMailTemplate, admin: Admin, session: Session, accepted: IfMatch
) -> Response:
    """Word a mail; mails that go out from now on read so."""
    refuse_wrong(template_name, body)
    if body.subject is None and body.text is None:
        raise BadWording([("text", Fault("missing", "must be given, unless the subject is"))])
    fresh((await found(session, template_name, lock=True)).version, accepted)
    await put_wording(session, template_name, body.subject, body.text)
    view = await found(session, template_name)
    return reply(view, version=view.version)


@router.delete("/{template_name}", status_code=204, response_class=Response)
async def delete_mail_template(
    template_name: TemplateName, admin: Admin, session: Session, accepted: IfMatch
) -> Response:
    """Word a mail as ever."""
    fresh((await found(session, template_name, lock=True)).version, accepted)
    await drop_wording(session, template_name)
    return Response(status_code=204)


@router.post("/{template_name}/preview", response_model=MailPreviewView, responses=refusals(BadWording))
async def preview_mail_template(
    template_name: TemplateName, body: PreviewMailTemplate, admin: Admin, session: Session
) -> Response:
    """A mail as it would be sent, with made-up values. Nothing is kept."""
    refuse_wrong(template_name, body)
    wordings = dict(merged([dict(row) for row in await own_wordings(session)]))
    now = wordings[template_name]
    wordings[template_name] = Wording(
        now.subject if body.subject is None else body.subject, now.text if body.text is None else body.text
    )
    if body.footer is not None:
        wordings[FOOTER] = Wording("", body.footer)
    name = SHOWN_WITH if template_name == FOOTER else template_name
    subject = subject_line(wordings[name], SAMPLE, SAMPLE["subject"])
    made = phrased(name, wordings, SAMPLE, subject, choices=SAMPLE_CHOICES)
    return reply(MailPreviewView(subject=made.subject, text=made.text, html=made.html))


def refuse_wrong(name: str, body: PutMailTemplate) -> None:
    """Refuse a wording with all that is wrong with it. Raises BadWording."""
    faults = list(wrong(name, body.subject, body.text))
    if isinstance(body, PreviewMailTemplate):
        faults += [("footer", fault) for _, fault in wrong(FOOTER, None, body.footer)]
    if faults:
        raise BadWording(faults)


async def found(session: Session, name: str, *, lock: bool = False) -> MailTemplateView:
    """A mail with how it is worded now; with `lock` nobody else words one until the transaction ends."""
    own = await own_wordings(session, lock=lock)
    return shown(name, next((row for row in own if row["name"] == name), None))


def shown(name: str, own: Row | None) -> MailTemplateView:
    """A mail to show."""
    kind = KINDS[name]
    return MailTemplateView(
        name=name,
        about=kind.about,
        placeholders=[
            PlaceholderView(name=each, meaning=meaning, needed=each in kind.needed)
            for each, meaning in kind.names.items()
        ],
        default=WordingView(subject=kind.default.subject or None, text=kind.default.text),
        own=None if own is None else WordingView(subject=own["subject"], text=own["text"]),
        updated_at=None if own is None else own["updated_at"],
        version=0 if own is None else own["version"],
    )
