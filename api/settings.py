"""A tenant's settings over HTTP."""

from starlette.responses import Response

from api.dependencies import Admin, Agent, IfMatch, Session
from api.errors import refusals
from api.records import fresh
from api.responses import reply
from api.routing import Area
from api.schemas.settings import SettingsPatch, SettingsView
from db.settings import change_settings, find_settings
from domain.process import Stale

router = Area(prefix="/api/settings", tags=["Settings"])


@router.get("", response_model=SettingsView)
async def get_settings(agent: Agent, session: Session) -> Response:
    """The tenant's settings."""
    view = SettingsView.model_validate(await find_settings(session), extra="ignore")
    return reply(view, version=view.version)


@router.patch("", response_model=SettingsView, responses=refusals(Stale))
async def change(body: SettingsPatch, admin: Admin, session: Session, accepted: IfMatch) -> Response:
    """Change the settings; reminders, auto-resolve and auto-close that are under way follow."""
    before = await find_settings(session, lock=True)
    fresh(before["version"], accepted)
    await change_settings(session, before, body.model_dump(exclude_unset=True))
    view = SettingsView.model_validate(await find_settings(session), extra="ignore")
    return reply(view, version=view.version)
