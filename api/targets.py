"""URLs that callers have us call: refused when it can be told at once that we never would."""

from api.constraints import ForbiddenTarget
from api.services import Services
from runtime.targets import Forbidden


def refuse_foreign_networks(app: Services, pointer: str, url: str | None) -> None:
    """Refuse a URL with an address in a network that we do not call. Raises ForbiddenTarget. Names are judged at each call."""
    if url is None:
        return
    try:
        app.targets.check(url)
    except Forbidden as error:
        raise ForbiddenTarget(pointer, str(error)) from None
