"""Invitations and resets: a link that works once, and answers that do not tell who is known."""

import asyncio
import hashlib
import uuid
from typing import Any

import psycopg
import pytest

from api.errors import Unauthenticated
from api.login import settle
from tests.api.front import Front, front, places, problem
from tests.stack import Database


async def tokens(database: Database, user: str) -> list[str]:
    """What was mailed to a user and has not gone out yet, the oldest first."""
    query = (
        "select payload->>'token' from notifications where recipient = %s and channel = 'EMAIL' order by created_at, id"
    )
    async with await psycopg.AsyncConnection.connect(database.owner.conninfo()) as connection:
        return [row[0] for row in await (await connection.execute(query, (user,))).fetchall()]


async def execute(database: Database, statement: str, *values: Any) -> None:
    """Write as the owner."""
    async with await psycopg.AsyncConnection.connect(database.owner.conninfo(), autocommit=True) as connection:
        await connection.execute(statement, values)


async def invited(api: Front, **fields: Any) -> dict[str, Any]:
    """A new user."""
    body = {"email": f"{uuid.uuid4().hex}@people.example", "name": "New", "role": "AGENT", **fields}
    return await api.created("admin", "/api/users", body)


async def set_password(api: Front, token: str, password: str = "a new password") -> int:
    """The status of an attempt to set a password."""
    return (await api.call(None, "POST", "/api/auth/password", json={"token": token, "password": password})).status_code


async def signs_in(api: Front, email: str, password: str = "a new password") -> bool:
    """Whether a password is the right one."""
    form = {"username": email, "password": password}
    return (await api.call(None, "POST", "/api/auth/token", data=form)).status_code == 200


async def token_of(api: Front, email: str, password: str) -> dict[str, str]:
    """The header of somebody who has just signed in."""
    answer = await api.call(None, "POST", "/api/auth/token", data={"username": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def reset(api: Front, email: str, **query: str) -> dict[str, Any]:
    """The answer to somebody who has forgotten a password."""
    answer = await api.call(None, "POST", "/api/auth/password-reset", json={"email": email}, params=query)
    assert answer.status_code == 202, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def test_a_new_user_without_a_password_is_invited_to_choose_one(api: Front, postgres: Database) -> None:
    user = await invited(api)
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 204
    assert await signs_in(api, user["email"])
    assert await set_password(api, token, "another password") == 422
    assert not await signs_in(api, user["email"], "another password")


async def test_a_new_user_with_a_password_is_not(api: Front, postgres: Database) -> None:
    assert await tokens(postgres, (await invited(api, password="chosen already"))["id"]) == []


async def test_a_reset_is_mailed_to_those_who_are_known_and_the_answer_is_the_same(
    api: Front, postgres: Database
) -> None:
    user = await invited(api, password="forgotten one")
    unknown = await reset(api, "nobody-at-all@people.example")
    assert await reset(api, user["email"].upper()) == unknown
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 204
    assert await signs_in(api, user["email"])
    assert not await signs_in(api, user["email"], "forgotten one")


async def test_only_a_hash_of_the_token_is_kept(api: Front, postgres: Database) -> None:
    user = await invited(api)
    [token] = await tokens(postgres, user["id"])
    query = "select hash from password_tokens where user_id = %s"
    async with await psycopg.AsyncConnection.connect(postgres.owner.conninfo()) as connection:
        row = await (await connection.execute(query, (user["id"],))).fetchone()
    assert row == (hashlib.sha256(token.encode()).hexdigest(),)


async def test_asking_again_and_again_sends_one_mail(api: Front, postgres: Database) -> None:
    user = await invited(api, password="forgotten one")
    for _ in range(3):
        await reset(api, user["email"])
    assert len(await tokens(postgres, user["id"])) == 1


async def test_a_password_ends_earlier_links_but_not_later_ones(api: Front, postgres: Database) -> None:
    user = await invited(api)
    await reset(api, user["email"])
    await execute(
        postgres, "update password_tokens set created_at = created_at - interval '1 h' where user_id = %s", user["id"]
    )
    await reset(api, user["email"])
    invitation, first, second = await tokens(postgres, user["id"])
    assert await set_password(api, first) == 204
    assert await set_password(api, invitation) == 422
    assert await set_password(api, second) == 204


async def test_a_link_ends_with_its_time_and_with_its_user(api: Front, postgres: Database) -> None:
    late, gone = await invited(api), await invited(api)
    await execute(postgres, "update password_tokens set expires_at = now() where user_id = %s", late["id"])
    await execute(postgres, "update users set active = false where id = %s", gone["id"])
    for user in (late, gone):
        [token] = await tokens(postgres, user["id"])
        assert await set_password(api, token) == 422
    await reset(api, gone["email"])
    assert len(await tokens(postgres, gone["id"])) == 1


async def test_a_link_that_two_use_at_once_works_for_one(api: Front, postgres: Database) -> None:
    user = await invited(api)
    [token] = await tokens(postgres, user["id"])
    codes = await asyncio.gather(set_password(api, token, "password one"), set_password(api, token, "password two"))
    assert sorted(codes) == [204, 422]


async def test_a_bad_password_does_not_use_up_the_link(api: Front, postgres: Database) -> None:
    user = await invited(api)
    [token] = await tokens(postgres, user["id"])
    body = {"token": token, "password": "short"}
    refused = problem(await api.call(None, "POST", "/api/auth/password", json=body), 422, "invalid")
    assert places(refused) == {"/password"}
    assert await set_password(api, token) == 204


async def test_a_forged_token_says_so_at_its_field(api: Front) -> None:
    body = {"token": "x" * 43, "password": "a new password"}
    refused = problem(await api.call(None, "POST", "/api/auth/password", json=body), 422, "unusable-token")
    assert places(refused) == {"/token"}


async def test_an_address_of_two_tenants_resets_both_or_the_one_that_is_named(api: Front, postgres: Database) -> None:
    body = {"email": f"{uuid.uuid4().hex}@people.example", "name": "Both", "role": "AGENT", "password": "forgotten one"}
    one, other = [(await api.created(who, "/api/users", body))["id"] for who in ("admin", "otherAdmin")]
    await reset(api, body["email"], tenant="globex")
    assert [len(await tokens(postgres, user)) for user in (one, other)] == [0, 1]
    await reset(api, body["email"])
    assert [len(await tokens(postgres, user)) for user in (one, other)] == [1, 1]


async def test_resets_are_limited_as_logins_are(api: Front, postgres: Database) -> None:
    async with front(postgres.app, api.seed, rate_limit_login="2/minute") as limited:
        for _ in range(2):
            await reset(limited, "nobody@people.example")
        body = {"email": "nobody@people.example"}
        problem(await limited.call(None, "POST", "/api/auth/password-reset", json=body), 429, "too-many-requests")


async def test_a_token_is_not_made_twice_within_the_pause_even_at_once(api: Front, postgres: Database) -> None:
    user = await invited(api, password="forgotten one")
    await asyncio.gather(*(reset(api, user["email"]) for _ in range(4)))
    assert len(await tokens(postgres, user["id"])) == 1


async def test_a_password_that_an_administrator_sets_ends_the_tokens_of_before_at_once(api: Front) -> None:
    user = await invited(api, password="the old password")
    before = await token_of(api, user["email"], "the old password")
    assert (await api.call(None, "GET", "/api/me", headers=before)).status_code == 200
    changed = await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"password": "a new password"})
    after = await token_of(api, user["email"], "a new password")
    assert changed.json()["version"] == user["version"], "nobody sees a password"
    refused = problem(await api.call(None, "GET", "/api/me", headers=before), 401, "unauthenticated")
    assert "password has changed" in refused["detail"]
    assert (await api.call(None, "GET", "/api/me", headers=after)).status_code == 200, "of the same second"


async def test_a_password_set_by_mail_ends_the_tokens_of_before_within_the_cache_time(
    api: Front, postgres: Database
) -> None:
    user = await invited(api, password="forgotten one")
    before = await token_of(api, user["email"], "forgotten one")
    assert (await api.call(None, "GET", "/api/me", headers=before)).status_code == 200
    await reset(api, user["email"])
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 204
    after = await token_of(api, user["email"], "a new password")
    api.app.state.services.directory.known.clear()
    problem(await api.call(None, "GET", "/api/me", headers=before), 401, "unauthenticated")
    assert (await api.call(None, "GET", "/api/me", headers=after)).status_code == 200


async def test_a_clock_behind_the_databases_issues_no_token_that_is_refused(api: Front, postgres: Database) -> None:
    user = await invited(api, password="a new password")
    await execute(postgres, "update users set password_set_at = now() + interval '2 s' where id = %s", user["id"])
    headers = await token_of(api, user["email"], "a new password")
    assert (await api.call(None, "GET", "/api/me", headers=headers)).status_code == 200


async def test_a_password_that_changes_while_somebody_signs_in_with_the_old_one_lets_nobody_in(
    api: Front, postgres: Database
) -> None:
    user = await invited(api, password="the old password")
    tenant, services = api.seed.tenant_id, api.app.state.services
    before = await services.passwords.hash("the old password")
    compared = {"tenant_id": tenant, "user_id": uuid.UUID(user["id"]), "password_hash": before}
    with pytest.raises(Unauthenticated):
        await settle(services, compared, "the old password")  # type: ignore[arg-type]


async def test_a_link_to_an_address_that_has_changed_is_worth_nothing_and_the_new_one_gets_another(
    api: Front, postgres: Database
) -> None:
    user = await invited(api)
    new = f"{uuid.uuid4().hex}@people.example"
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"email": new})
    lost, good = await tokens(postgres, user["id"])
    assert await set_password(api, lost) == 422
    assert await set_password(api, good) == 204
    assert await signs_in(api, new)


async def test_a_reset_does_not_outlive_the_address_and_who_has_a_password_is_not_invited(
    api: Front, postgres: Database
) -> None:
    user = await invited(api, password="forgotten one")
    await reset(api, user["email"])
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"email": f"{uuid.uuid4().hex}@people.example"})
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 422


async def test_a_password_that_an_administrator_sets_ends_the_links_of_before(api: Front, postgres: Database) -> None:
    user = await invited(api)
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"password": "of the desk"})
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 422
    assert await signs_in(api, user["email"], "of the desk")


async def test_a_new_address_with_a_password_needs_no_invitation(api: Front, postgres: Database) -> None:
    user = await invited(api)
    changes = {"email": f"{uuid.uuid4().hex}@people.example", "password": "of the desk"}
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json=changes)
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 422
    assert await signs_in(api, changes["email"], "of the desk")


async def test_a_change_of_anything_else_leaves_the_links_as_they_are(api: Front, postgres: Database) -> None:
    user = await invited(api)
    await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"name": "Old", "email": user["email"].upper()})
    [token] = await tokens(postgres, user["id"])
    assert await set_password(api, token) == 204
