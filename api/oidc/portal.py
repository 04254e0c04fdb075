"""What a portal must know to send people to the OIDC provider and come back with a token of it."""

from pydantic import Field
from starlette.responses import Response

from api.dependencies import App
from api.responses import reply
from api.routing import Area
from api.schemas.common import View

router = Area(prefix="/api/auth/oidc", tags=["Identity"])


class ProviderView(View):
    """The OpenID provider whose tokens are taken here; a portal finds its endpoints by discovery."""

    enabled: bool
    issuer: str | None = Field(examples=["https://login.example.com/realms/desk"])
    audience: str | None = Field(description="What must be in the token's `aud`.")
    client_id: str | None = Field(description="The portal's own, where the installation names one.")


@router.get("", response_model=ProviderView)
async def get_oidc_provider(app: App) -> Response:
    """Whether one can sign in with an OpenID provider, and which."""
    settings = app.settings
    return reply(
        ProviderView(
            enabled=settings.oidc_issuer is not None,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            client_id=settings.oidc_client_id,
        )
    )
