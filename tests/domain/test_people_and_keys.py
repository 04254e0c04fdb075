"""Who may make which key, and whose access may be taken away."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from domain.identity import Role
from domain.keys import KEY_ROLES, AlreadyExpired, RoleAboveOwn, may_issue
from domain.people import BeyondScopes, LastAdministrator, OwnAccess, may_change, within_scopes

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
ANN, BOB, KEY = (uuid.UUID(int=number) for number in range(3))


@pytest.mark.parametrize("own", KEY_ROLES)
@pytest.mark.parametrize("role", KEY_ROLES)
def test_a_key_is_never_above_its_maker(own: Role, role: Role) -> None:
    if own.includes(role):
        may_issue(own, role, None, NOW)
    else:
        with pytest.raises(RoleAboveOwn, match=own):
            may_issue(own, role, None, NOW)


def test_a_key_expires_after_it_is_made() -> None:
    may_issue(Role.ADMIN, Role.AGENT, NOW + timedelta(microseconds=1), NOW)
    for late in (NOW, NOW - timedelta(days=1)):
        with pytest.raises(AlreadyExpired):
            may_issue(Role.ADMIN, Role.AGENT, late, NOW)


@pytest.mark.parametrize("change", [{"role": Role.LEAD}, {"active": False}])
def test_nobody_takes_the_own_access_or_the_last_administrator_away(change: dict[str, object]) -> None:
    may_change(ANN, BOB, change, {ANN, BOB})
    may_change(KEY, BOB, change, {ANN, BOB})
    with pytest.raises(OwnAccess):
        may_change(ANN, ANN, change, {ANN, BOB})
    with pytest.raises(LastAdministrator):
        may_change(KEY, ANN, change, {ANN})


def test_what_leaves_an_administrator_one_may_be_changed() -> None:
    may_change(ANN, ANN, {"name": "Ann", "role": Role.ADMIN, "active": True}, {ANN})
    may_change(KEY, BOB, {"active": False}, {ANN})


def test_a_key_with_scopes_leaves_administrators_alone() -> None:
    within_scopes(True, Role.AGENT, Role.LEAD)
    within_scopes(False, Role.ADMIN)
    with pytest.raises(BeyondScopes):
        within_scopes(True, Role.AGENT, Role.ADMIN)
