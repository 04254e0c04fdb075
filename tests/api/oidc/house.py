"""What all tests of OpenID need."""

from cli.demo import PEOPLE
from tests.api.front import problem
from tests.api.issuer import (
    House,
)

LEAD = PEOPLE["lead"].email


async def refused(home: House, token: str) -> str:
    """Why a token is refused."""
    answer = await home.me(token)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    detail: str = problem(answer, 401, "unauthenticated")["detail"]
    return detail
