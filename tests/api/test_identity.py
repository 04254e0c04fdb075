"""People and teams over HTTP."""

import asyncio
from uuid import UUID

import psycopg
import pytest

from tests.api.front import Front, places, problem, some_id
from tests.stack import Database


async def test_a_new_user_can_sign_in_and_is_shown_without_a_password(api: Front) -> None:
    body = {"email": "grace@acme-support.example", "name": "Grace", "role": "AGENT", "password": "very secret"}
    response = await api.call("admin", "POST", "/api/users", json=body | {"tenantId": str(api.seed.tenant_id)})
    assert response.status_code == 201
    assert "secret" not in response.text
    assert response.headers["etag"] == '"v1"'
    assert (await api.call("agent", "GET", response.headers["location"])).json() == response.json()
    form = {"username": "grace@acme-support.example", "password": "very secret"}
    assert (await api.call(None, "POST", "/api/auth/token", data=form)).status_code == 200


async def test_a_repeat_under_its_key_gets_the_first_answer(api: Front, postgres: Database) -> None:
    body = {"name": "Repeaters"}
    first = await api.call("admin", "POST", "/api/teams", json=body, headers={"Idempotency-Key": "team 1"})
    again = await api.call("admin", "POST", "/api/teams", json=body, headers={"Idempotency-Key": "team 1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotent-replayed"] == "true"
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        assert connection.execute("select count(*) from teams where name = 'Repeaters'").fetchone() == (1,)


async def test_another_body_under_the_same_key_is_refused(api: Front) -> None:
    await api.call("admin", "POST", "/api/teams", json={"name": "One"}, headers={"Idempotency-Key": "team 2"})
    response = await api.call(
        "admin", "POST", "/api/teams", json={"name": "Two"}, headers={"Idempotency-Key": "team 2"}
    )
    problem(response, 422, "key-reused")


async def test_a_key_is_free_again_after_a_refusal(api: Front) -> None:
    headers = {"Idempotency-Key": "team 3"}
    problem(await api.call("admin", "POST", "/api/teams", json={"name": ""}, headers=headers), 422, "invalid")
    bad = {"name": "Three", "leadId": some_id()}
    problem(await api.call("admin", "POST", "/api/teams", json=bad, headers=headers), 422, "unknown-reference")
    assert (await api.call("admin", "POST", "/api/teams", json={"name": "Three"}, headers=headers)).status_code == 201


async def test_a_key_older_than_a_day_is_forgotten(api: Front, postgres: Database) -> None:
    headers = {"Idempotency-Key": "team 4"}
    first = await api.call("admin", "POST", "/api/teams", json={"name": "Four"}, headers=headers)
    with psycopg.connect(postgres.owner.conninfo(), autocommit=True) as connection:
        connection.execute("update idempotency_keys set created_at = now() - interval '25 hours' where key = 'team 4'")
    second = await api.call("admin", "POST", "/api/teams", json={"name": "Four"}, headers=headers)
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_simultaneous_repeats_make_one_record(api: Front) -> None:
    headers = {"Idempotency-Key": "team 5"}
    answers = await asyncio.gather(
        *(api.call("admin", "POST", "/api/teams", json={"name": "Five"}, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel"])
async def test_a_key_that_is_none_is_refused(api: Front, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    response = await api.call("admin", "POST", "/api/teams", json={"name": "x"}, headers=headers)  # type: ignore[arg-type]
    assert places(problem(response, 422, "invalid")) == {"Idempotency-Key"}


async def test_two_users_of_a_tenant_do_not_share_an_address_but_two_tenants_may(api: Front) -> None:
    body = {"email": "shared@people.example", "name": "S", "role": "AGENT"}
    await api.created("admin", "/api/users", body)
    document = problem(
        await api.call("admin", "POST", "/api/users", json=body | {"email": "SHARED@people.example"}),
        409,
        "email-taken",
    )
    assert places(document) == {"/email"}
    await api.created("otherAdmin", "/api/users", body)


async def test_a_change_moves_the_version_only_when_something_changes(api: Front) -> None:
    user = await api.created("admin", "/api/users", {"email": "v@acme-support.example", "name": "V", "role": "AGENT"})
    path = f"/api/users/{user['id']}"
    same = await api.call("admin", "PATCH", path, json={"name": "V"})
    assert (same.json()["version"], same.json()["updatedAt"]) == (1, user["updatedAt"])
    other = await api.call("admin", "PATCH", path, json={"name": "W"}, headers={"If-Match": '"v1"'})
    assert other.headers["etag"] == '"v2"'
    document = problem(
        await api.call("admin", "PATCH", path, json={"name": "X"}, headers={"If-Match": '"v1", "v9"'}), 412, "stale"
    )
    assert document["currentVersion"] == 2
    assert (await api.call("agent", "GET", path)).json()["name"] == "W"


@pytest.mark.parametrize("accepted", ["*", '"v1"', 'W/"v1"', '"v7", "v1"', '"other", "v1"'])
async def test_if_match_takes_tags_lists_and_the_star(api: Front, accepted: str) -> None:
    email = f"if-{abs(hash(accepted))}@acme-support.example"
    user = await api.created("admin", "/api/users", {"email": email, "name": "I", "role": "AGENT"})
    response = await api.call(
        "admin", "PATCH", f"/api/users/{user['id']}", json={"name": "J"}, headers={"If-Match": accepted}
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("garbage", ["v1", "1", '"v1', '"v1" "v2"', ","])
async def test_if_match_that_is_no_tag_is_refused(api: Front, garbage: str) -> None:
    path = f"/api/users/{api.seed.users['agent']}"
    response = await api.call("admin", "PATCH", path, json={"name": "x"}, headers={"If-Match": garbage})
    assert places(problem(response, 422, "bad-if-match")) == {"If-Match"}


async def test_null_is_no_value_for_a_name_but_is_one_for_an_account(api: Front) -> None:
    user = await api.created(
        "admin", "/api/users", {"email": "n@acme-support.example", "name": "N", "role": "CUSTOMER"}
    )
    path = f"/api/users/{user['id']}"
    assert places(problem(await api.call("admin", "PATCH", path, json={"name": None}), 422, "invalid")) == {"/name"}
    assert (await api.call("admin", "PATCH", path, json={"accountId": None})).status_code == 200


async def test_nobody_takes_their_own_access_away(api: Front) -> None:
    path = f"/api/users/{api.seed.users['admin']}"
    for change in ({"role": "AGENT"}, {"active": False}):
        problem(await api.call("admin", "PATCH", path, json=change), 409, "own-access")


async def test_staff_belong_to_no_account(api: Front) -> None:
    account = str(next(iter(api.seed.accounts.values())))
    body = {"email": "x@acme-support.example", "name": "X", "role": "AGENT", "accountId": account}
    document = problem(await api.call("admin", "POST", "/api/users", json=body), 422, "account-of-staff")
    assert places(document) == {"/accountId"}


async def test_another_tenant_in_a_body_is_forbidden_and_its_people_do_not_exist(api: Front) -> None:
    body = {"email": "f@f.example", "name": "F", "role": "AGENT", "tenantId": str(api.seed.other_tenant_id)}
    problem(await api.call("admin", "POST", "/api/users", json=body), 403, "foreign-tenant")
    stranger = f"/api/users/{api.seed.users['otherAdmin']}"
    problem(await api.call("admin", "GET", stranger), 404, "not-found")
    problem(await api.call("admin", "PATCH", stranger, json={"name": "Mine"}), 404, "not-found")
    body = {"name": "Borrowed", "memberIds": [str(api.seed.users["otherAdmin"])]}
    problem(await api.call("admin", "POST", "/api/teams", json=body), 422, "unknown-reference")


async def test_a_user_joins_and_leaves_teams(api: Front) -> None:
    team = await api.created("admin", "/api/teams", {"name": "Joined"})
    body = {"email": "j@acme-support.example", "name": "J", "role": "AGENT", "teamIds": [team["id"], team["id"]]}
    user = await api.created("admin", "/api/users", body)
    assert user["teamIds"] == [team["id"]]
    assert (await api.call("agent", "GET", f"/api/teams/{team['id']}")).json()["memberIds"] == [user["id"]]
    left = await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"teamIds": []})
    assert left.json()["teamIds"] == []


async def test_pages_hold_each_user_once_the_newest_first(api: Front) -> None:
    for number in range(5):
        await api.created("admin", "/api/users", {"email": f"p{number}@pages.example", "name": "P", "role": "AGENT"})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"q": "@pages.example", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.call("agent", "GET", "/api/users", params=query)).json()
        seen += [user["email"] for user in page["data"]]
        cursor = page["page"]["nextCursor"]
        assert page["page"]["hasMore"] is (cursor is not None)
    assert seen == [f"p{number}@pages.example" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("cursor", ["abc", "AAAAAAAAAAAAAAAAWyJ4Il0", "ü", "a" * 1000])
async def test_a_forged_cursor_is_named(api: Front, cursor: str) -> None:
    response = await api.call("agent", "GET", "/api/users", params={"cursor": cursor})
    assert places(problem(response, 422, "bad-cursor")) == {"cursor"}


@pytest.mark.parametrize("q", ["\0", "%", "'", "\\", "a & | !", "\u202e" * 400])
async def test_any_search_text_is_a_search(api: Front, q: str) -> None:
    assert (await api.call("agent", "GET", "/api/users", params={"q": q})).status_code == 200


async def test_two_administrators_cannot_put_each_other_out_at_once(api: Front) -> None:
    first = await api.created("admin", "/api/users", {"email": "a1@duel.example", "name": "A1", "role": "ADMIN"})
    second = await api.created("admin", "/api/users", {"email": "a2@duel.example", "name": "A2", "role": "ADMIN"})

    async def put_out(by: str, whom: str) -> int:
        headers = {"Authorization": f"Bearer {api.token('admin', user_id=UUID(by))}"}
        body = {"active": False, "password": "slow to hash"}
        return (await api.call(None, "PATCH", f"/api/users/{whom}", json=body, headers=headers)).status_code

    codes = await asyncio.gather(put_out(first["id"], second["id"]), put_out(second["id"], first["id"]))
    assert sorted(codes) in ([200, 401], [200, 403])
    users = [(await api.call("admin", "GET", f"/api/users/{user['id']}")).json() for user in (first, second)]
    assert sorted(user["active"] for user in users) == [False, True]


async def test_an_administrator_may_send_the_own_role_unchanged(api: Front) -> None:
    me = (await api.call("admin", "GET", "/api/me")).json()["id"]
    same = await api.call("admin", "PATCH", f"/api/users/{me}", json={"role": "ADMIN", "active": True})
    assert same.status_code == 200


async def test_joining_a_team_moves_the_version_of_a_user(api: Front) -> None:
    team = await api.created("admin", "/api/teams", {"name": "Movers"})
    user = await api.created("admin", "/api/users", {"email": "mover@x.example", "name": "M", "role": "AGENT"})
    url, tag = f"/api/users/{user['id']}", {"If-Match": '"v1"'}
    joined = await api.call("admin", "PATCH", url, json={"teamIds": [team["id"]]}, headers=tag)
    assert (joined.status_code, joined.headers["etag"]) == (200, '"v2"')
    again = await api.call("admin", "PATCH", url, json={"teamIds": [team["id"]]})
    assert again.headers["etag"] == '"v2"'
    problem(await api.call("admin", "PATCH", url, json={"teamIds": []}, headers=tag), 412, "stale")


async def test_a_user_keeps_the_turn_in_the_queue_of_a_team_that_stays(api: Front, postgres: Database) -> None:
    old, kept, new = [(await api.created("admin", "/api/teams", {"name": name}))["id"] for name in ("A", "B", "C")]
    body = {"email": "turns@x.example", "name": "T", "role": "AGENT", "teamIds": [old, kept]}
    user = await api.created("admin", "/api/users", body)

    def turns() -> dict[str, bool]:
        query = "select team_id::text, assigned_at is not null from team_members where user_id = %s"
        with psycopg.connect(postgres.owner.conninfo()) as connection:
            return dict(connection.execute(query, (user["id"],)).fetchall())

    with psycopg.connect(postgres.owner.conninfo()) as connection:
        connection.execute("update team_members set assigned_at = now() where user_id = %s", (user["id"],))
    for sent, expected in (
        ([kept, old], {old: True, kept: True}),
        ([new, kept, new], {kept: True, new: False}),
        ([kept, old], {kept: True, old: False}),
    ):
        changed = await api.call("admin", "PATCH", f"/api/users/{user['id']}", json={"teamIds": sent})
        assert set(changed.json()["teamIds"]) == set(sent)
        assert turns() == expected


LAX: dict[str, dict[str, object]] = {
    "/available": {"available": "off"},
    "/capacity": {"capacity": "20"},
    "/password": {"password": "abc\0defgh"},
    "/email": {"email": "Foo Bar <zz@example.com>"},
    "/name": {"name": "a\r\nBcc: evil@x.example"},
    "/skills/0": {"skills": ["\x1b[31m"]},
}


@pytest.mark.parametrize("place", LAX)
async def test_what_is_nearly_right_is_refused(api: Front, place: str) -> None:
    body = {"email": "near@x.example", "name": "N", "role": "AGENT"} | LAX[place]
    assert places(problem(await api.call("admin", "POST", "/api/users", json=body), 422, "invalid")) == {place}


async def test_a_team_takes_active_staff_only(api: Front) -> None:
    gone = await api.created("admin", "/api/users", {"email": "gone@x.example", "name": "G", "role": "AGENT"})
    await api.call("admin", "PATCH", f"/api/users/{gone['id']}", json={"active": False})
    body = {"name": "Mixed", "leadId": str(api.seed.users["customer"]), "memberIds": [gone["id"]]}
    refused = problem(await api.call("admin", "POST", "/api/teams", json=body), 422, "unknown-reference")
    assert places(refused) == {"/leadId", "/memberIds"}


UNKNOWN: list[tuple[str, str, dict[str, object], set[str]]] = [
    ("/api/users", "CUSTOMER", {"accountId": some_id(), "teamIds": [some_id()]}, {"/accountId", "/teamIds"}),
    ("/api/teams", "", {"leadId": some_id(), "memberIds": [some_id()]}, {"/leadId", "/memberIds"}),
    ("/api/customers/accounts", "", {"csmId": some_id(), "tamId": some_id()}, {"/csmId", "/tamId"}),
]


@pytest.mark.parametrize(("path", "role", "fields", "named"), UNKNOWN)
async def test_every_field_that_names_something_unknown_is_told_at_once(
    api: Front, path: str, role: str, fields: dict[str, object], named: set[str]
) -> None:
    base = {"name": "U"} | ({"email": "u@unknown.example", "role": role} if role else {})
    body = base | fields | ({"tier": "BASIC"} if "accounts" in path else {})
    assert places(problem(await api.call("admin", "POST", path, json=body), 422, "unknown-reference")) == named
