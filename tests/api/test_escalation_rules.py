"""Escalation rules over HTTP."""

import asyncio
from typing import Any

import psycopg
import pytest

from domain.sla.escalation import MOST_MINUTES, MOST_RULES, Rule
from tests.api.front import Front, places, problem, some_id
from tests.stack import Database

PATH = "/api/escalation-rules"
TELL = {"type": "NOTIFY", "to": "ASSIGNEE"}


def rule(name: str = "R", **fields: Any) -> dict[str, Any]:
    return {"name": name, "trigger": {"type": "CREATED"}, "actions": [TELL], **fields}


def everything(api: Front) -> dict[str, Any]:
    """A rule with all that a rule can have."""
    team, user = str(api.seed.teams["Engineering"]), str(api.seed.users["agent"])
    return {
        "name": "Everything",
        "position": 7,
        "trigger": {"type": "CLOCK_PERCENT", "clock": "RESOLUTION", "percent": 150},
        "condition": {
            "priorities": ["HIGH"],
            "severities": ["SEV1", "SEV2"],
            "tiers": ["PREMIUM"],
            "categories": ["Outage"],
            "teamIds": [team],
        },
        "actions": [
            {"type": "NOTIFY", "to": "USER", "id": user, "role": None},
            {"type": "NOTIFY", "to": "TEAM", "id": team, "role": None},
            {"type": "NOTIFY", "to": "ROLE", "id": None, "role": "LEAD"},
            {"type": "REASSIGN", "assigneeId": user, "teamId": team},
            {"type": "RAISE", "priority": "URGENT", "severity": None},
            {"type": "PAGE", "policyId": None},
            {"type": "WEBHOOK"},
        ],
        "repeat": {"everyMinutes": 60, "times": 3},
        "active": True,
    }


async def names(api: Front, **params: Any) -> list[str]:
    listed = await api.call("agent", "GET", PATH, params={"limit": 100, **params})
    return [each["name"] for each in listed.json()["data"]]


async def test_every_tenant_begins_with_the_guides_rules(api: Front) -> None:
    listed = (await api.call("otherAdmin", "GET", PATH)).json()["data"]
    assert [(each["trigger"]["type"], each["trigger"].get("percent")) for each in listed] == [
        *(("CLOCK_PERCENT", percent) for percent in (50, 75, 90, 100)),
        ("CREATED", None),
    ]
    assert listed[-1]["condition"]["tiers"] == ["PREMIUM"]
    assert listed[-1]["actions"] == [{"type": "PAGE", "policyId": None}]


async def test_a_rule_is_added_read_and_kept_as_decisions_read_it(api: Front, postgres: Database) -> None:
    body = everything(api)
    added = await api.created("lead", PATH, body)
    assert {name: added[name] for name in body} == body
    found = await api.call("agent", "GET", f"{PATH}/{added['id']}")
    assert (found.json(), found.headers["etag"]) == (added, '"v1"')
    columns = "id, name, trigger, condition, actions, repeat"
    with psycopg.connect(postgres.owner.conninfo(), row_factory=psycopg.rows.dict_row) as connection:
        row = connection.execute(f"select {columns} from escalation_rules where id = %s", (added["id"],)).fetchone()
    assert row is not None
    assert row["trigger"] == {"type": "CLOCK_PERCENT", "clock": "RESOLUTION", "percent": 150}
    assert row["repeat"] == {"every_minutes": 60, "times": 3}
    assert row["condition"]["team_ids"] == body["condition"]["teamIds"]
    assert [type(action).__name__ for action in Rule.model_validate(row).actions] == [
        *("Notify", "Notify", "Notify", "Reassign", "Raise", "Page", "Webhook"),
    ]


TRIGGERS = {
    "CLOCK_PERCENT": {"percent": 75, "clock": None},
    "CLOCK_MINUTES": {"minutes": -30, "clock": "FIRST_RESPONSE"},
    "CREATED": {},
    "REOPENED": {"count": 3},
    "SILENCE": {"minutes": 240},
}


@pytest.mark.parametrize("kind", TRIGGERS)
async def test_every_trigger_can_be_written_and_read(api: Front, kind: str) -> None:
    trigger = {"type": kind, **TRIGGERS[kind]}
    added = await api.created("lead", PATH, rule(trigger=trigger))
    assert added["trigger"] == trigger
    assert (await api.call("lead", "DELETE", f"{PATH}/{added['id']}")).status_code == 204


async def test_rules_are_listed_in_their_order_and_a_new_one_is_the_last(api: Front) -> None:
    before = await names(api)
    early = await api.created("lead", PATH, rule("Early", position=1))
    last = await api.created("lead", PATH, rule("Last"))
    assert last["position"] > early["position"]
    # Of equal positions the older comes first, and one of the seeded rules has the first.
    assert await names(api) == [before[0], "Early", *before[1:], "Last"]
    moved = await api.call("lead", "PATCH", f"{PATH}/{early['id']}", json={"position": last["position"] + 1})
    assert moved.json()["version"] == 2
    assert await names(api) == [*before, "Last", "Early"]
    found, cursor = [], None
    while found == [] or cursor:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.call("agent", "GET", PATH, params=params)).json()
        found += [each["name"] for each in page["data"]]
        cursor = page["page"]["nextCursor"]
    assert found == [*before, "Last", "Early"]


async def test_a_change_is_the_next_version_and_the_last_one_stays(api: Front) -> None:
    first = await api.created("lead", PATH, rule("Changing", repeat={"everyMinutes": 5, "times": 2}))
    path = f"{PATH}/{first['id']}"
    changes = {"trigger": {"type": "SILENCE", "minutes": 90}, "repeat": None}
    second = (await api.call("lead", "PATCH", path, json=changes)).json()
    assert (second["version"], second["name"], second["repeat"]) == (2, "Changing", None)
    same = await api.call("lead", "PATCH", path, json={"name": "Changing", **changes})
    assert same.json() == second
    versions = (await api.call("agent", "GET", f"{path}/versions")).json()["data"]
    assert versions == [second, {**first, "supersededAt": second["updatedAt"]}]


async def test_a_rule_that_has_ended_can_come_back(api: Front) -> None:
    added = await api.created("lead", PATH, rule("Fleeting"))
    path = f"{PATH}/{added['id']}"
    assert (await api.call("lead", "DELETE", path, headers={"If-Match": '"v1"'})).status_code == 204
    assert "Fleeting" not in await names(api)
    assert "Fleeting" in await names(api, active=False)
    back = (await api.call("lead", "PATCH", path, json={"active": True})).json()
    assert (back["version"], back["active"]) == (3, True)
    assert "Fleeting" in await names(api)


async def test_of_two_changes_to_one_version_the_second_is_refused(api: Front) -> None:
    path = f"{PATH}/{(await api.created('lead', PATH, rule('Contested')))['id']}"
    answers = await asyncio.gather(
        *(api.call("lead", "PATCH", path, json={"name": name}, headers={"If-Match": '"v1"'}) for name in ("A", "B"))
    )
    taken, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (taken.status_code, taken.json()["version"]) == (200, 2)
    problem(refused, 412, "stale")


WRONG: dict[str, tuple[dict[str, Any], set[str]]] = {
    "an unknown trigger": ({"trigger": {"type": "FULL_MOON"}}, {"/trigger"}),
    "a trigger without a type": ({"trigger": {"percent": 50}}, {"/trigger"}),
    "no trigger": ({"trigger": None}, {"/trigger"}),
    "no percent": ({"trigger": {"type": "CLOCK_PERCENT"}}, {"/trigger/percent"}),
    "nothing of it": ({"trigger": {"type": "CLOCK_PERCENT", "percent": 0}}, {"/trigger/percent"}),
    "half a percent": ({"trigger": {"type": "CLOCK_PERCENT", "percent": 0.5}}, {"/trigger/percent"}),
    "a year before": ({"trigger": {"type": "CLOCK_MINUTES", "minutes": -MOST_MINUTES - 1}}, {"/trigger/minutes"}),
    "never reopened": ({"trigger": {"type": "REOPENED", "count": 0}}, {"/trigger/count"}),
    "no silence": ({"trigger": {"type": "SILENCE", "minutes": 0}}, {"/trigger/minutes"}),
    "an unknown clock": ({"trigger": {"type": "CLOCK_MINUTES", "clock": "TEA", "minutes": 1}}, {"/trigger/clock"}),
    "a field too many": ({"trigger": {"type": "CREATED", "percent": 1}}, {"/trigger/percent"}),
    "the columns' own names": ({"condition": {"team_ids": []}}, {"/condition/team_ids"}),
    "nothing to do": ({"actions": []}, {"/actions"}),
    "an unknown action": ({"actions": [TELL, {"type": "SHOUT"}]}, {"/actions/1"}),
    "nobody to tell beside an unknown action": (
        {"actions": [{"type": "NOTIFY", "to": "USER"}, {"type": "SHOUT"}, {"type": "REASSIGN"}]},
        {"/actions/0/id", "/actions/1", "/actions/2"},
    ),
    "nobody to tell": (
        {"actions": [{"type": "NOTIFY", "to": "USER"}, {"type": "NOTIFY", "to": "ROLE"}]},
        {"/actions/0/id", "/actions/1/role"},
    ),
    "customers to tell": ({"actions": [{"type": "NOTIFY", "to": "ROLE", "role": "CUSTOMER"}]}, {"/actions/0/role"}),
    "nobody to give it to": ({"actions": [{"type": "REASSIGN"}]}, {"/actions/0"}),
    "nothing to raise": ({"actions": [TELL, {"type": "RAISE"}]}, {"/actions/1"}),
    "too much to do": ({"actions": [TELL] * 21}, {"/actions"}),
    "a repeat that never ends": (
        {"repeat": {"everyMinutes": 0, "times": 101}},
        {"/repeat/everyMinutes", "/repeat/times"},
    ),
    "a place before the first": ({"position": 0}, {"/position"}),
    "an unknown severity": ({"condition": {"severities": ["SEV1", "P1"]}}, {"/condition/severities/1"}),
}


@pytest.mark.parametrize(("fields", "wrong"), WRONG.values(), ids=WRONG)
async def test_what_makes_no_sense_is_refused_with_its_place(
    api: Front, fields: dict[str, Any], wrong: set[str]
) -> None:
    before = await names(api)
    refused = problem(await api.call("lead", "POST", PATH, json=rule("Wrong", **fields)), 422, "invalid")
    assert places(refused) == wrong
    assert all(error["detail"] for error in refused["errors"])
    changed = await api.call("lead", "PATCH", f"{PATH}/{some_id()}", json=fields)
    assert places(problem(changed, 422, "invalid")) == wrong
    assert await names(api) == before


async def test_everything_that_is_wrong_with_a_rule_is_told_at_once(api: Front) -> None:
    body = {
        "name": "",
        "position": "first",
        "trigger": {"type": "SILENCE", "minutes": -1},
        "condition": {"tiers": ["GOLD"]},
        "actions": [{"type": "NOTIFY", "to": "NOBODY"}, {"type": "REASSIGN", "teamId": "Platform"}],
        "repeat": {"everyMinutes": 1},
        "active": "yes",
        "when": "now",
    }
    wrong = {
        *("/name", "/position", "/trigger/minutes", "/condition/tiers/0", "/actions/0/to", "/actions/1/teamId"),
        *("/repeat/times", "/active", "/when"),
    }
    assert places(problem(await api.call("lead", "POST", PATH, json=body), 422, "invalid")) == wrong


async def test_whoever_a_rule_names_must_exist(api: Front) -> None:
    stranger, customer = str(api.seed.users["otherAdmin"]), str(api.seed.users["customer"])
    actions = [
        {"type": "NOTIFY", "to": "USER", "id": stranger},
        {"type": "NOTIFY", "to": "TEAM", "id": some_id()},
        {"type": "REASSIGN", "assigneeId": customer, "teamId": some_id()},
        {"type": "PAGE", "policyId": some_id()},
    ]
    teams = [str(api.seed.teams["Engineering"]), some_id()]
    wrong = {
        *("/actions/0/id", "/actions/1/id", "/actions/2/assigneeId", "/actions/2/teamId", "/actions/3/policyId"),
        "/condition/teamIds/1",
    }
    body = {"actions": actions, "condition": {"teamIds": teams}}
    refused = problem(await api.call("lead", "POST", PATH, json=rule("S", **body)), 422, "unknown-reference")
    assert places(refused) == wrong
    path = f"{PATH}/{(await api.created('lead', PATH, rule('Known')))['id']}"
    assert places(problem(await api.call("lead", "PATCH", path, json=body), 422, "unknown-reference")) == wrong
    assert (await api.call("agent", "GET", path)).json()["version"] == 1


async def test_rules_that_hand_a_silent_ticket_round_are_refused_by_name(api: Front) -> None:
    team = (await api.created("admin", "/api/teams", {"name": "Round trip"}))["id"]
    other = (await api.created("admin", "/api/teams", {"name": "And back"}))["id"]

    def handing(name: str, of: str, to: str, **fields: Any) -> dict[str, Any]:
        reassign = [{"type": "REASSIGN", "teamId": to}]
        silence = {"type": "SILENCE", "minutes": 60}
        return rule(name, trigger=silence, condition={"teamIds": [of]}, actions=reassign, **fields)

    there = await api.created("lead", PATH, handing("There", team, other))
    refused = problem(await api.call("lead", "POST", PATH, json=handing("Back", other, team)), 422, "rules-loop")
    assert places(refused) == {"/actions"}
    assert "“There” → “Back”" in refused["detail"]
    assert there["id"] in refused["rules"]
    assert "Back" not in await names(api)
    back = await api.created("lead", PATH, handing("Back", other, team, active=False))
    path = f"{PATH}/{back['id']}"
    problem(await api.call("lead", "PATCH", path, json={"active": True}), 422, "rules-loop")
    assert (await api.call("agent", "GET", path)).json() == back
    assert (await api.call("lead", "DELETE", f"{PATH}/{there['id']}")).status_code == 204
    assert (await api.call("lead", "PATCH", path, json={"active": True})).status_code == 200


async def test_of_two_rules_made_at_once_that_loop_together_one_is_refused(api: Front) -> None:
    teams = [(await api.created("admin", "/api/teams", {"name": name}))["id"] for name in ("Left", "Right")]
    bodies = [
        rule(
            f"To {to}",
            trigger={"type": "SILENCE", "minutes": 60},
            condition={"teamIds": [of]},
            actions=[{"type": "REASSIGN", "teamId": to}],
        )
        for of, to in (teams, reversed(teams))
    ]
    answers = await asyncio.gather(*(api.call("lead", "POST", PATH, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_a_tenant_has_a_hundred_rules_in_force_at_most(api: Front) -> None:
    who = "otherAdmin"
    begun = (await api.call(who, "GET", PATH)).json()["data"]
    made = [await api.created(who, PATH, rule(f"Number {number}")) for number in range(MOST_RULES - len(begun))]
    problem(await api.call(who, "POST", PATH, json=rule("One too many")), 409, "too-many-rules")
    spare = await api.created(who, PATH, rule("Spare", active=False))
    path = f"{PATH}/{spare['id']}"
    problem(await api.call(who, "PATCH", path, json={"active": True}), 409, "too-many-rules")
    for each in made:
        assert (await api.call(who, "DELETE", f"{PATH}/{each['id']}")).status_code == 204
    assert (await api.call(who, "PATCH", path, json={"active": True})).status_code == 200
    assert (await api.call(who, "DELETE", path)).status_code == 204
    assert (await api.call(who, "GET", PATH)).json()["data"] == begun


async def test_a_repeated_creation_adds_one_rule(api: Front) -> None:
    key = {"Idempotency-Key": "one-rule"}
    first = await api.created("lead", PATH, rule("Once"), **key)
    again = await api.call("lead", "POST", PATH, json=rule("Once"), headers=key)
    assert (again.status_code, again.json()) == (201, first)
    assert (await names(api)).count("Once") == 1


async def test_agents_read_and_leads_write(api: Front) -> None:
    problem(await api.call("agent", "POST", PATH, json=rule()), 403, "role-too-low")
    problem(await api.call("customer", "GET", PATH), 403, "role-too-low")
    body = rule(tenantId=str(api.seed.other_tenant_id))
    problem(await api.call("lead", "POST", PATH, json=body), 403, "foreign-tenant")


async def test_another_tenants_rule_does_not_exist(api: Front) -> None:
    path = f"{PATH}/{(await api.created('lead', PATH, rule('Ours')))['id']}"
    for method, target in (("GET", path), ("DELETE", path), ("GET", f"{path}/versions")):
        problem(await api.call("otherAdmin", method, target), 404, "not-found")
    problem(await api.call("otherAdmin", "PATCH", path, json={"name": "Theirs"}), 404, "not-found")
    assert (await api.call("agent", "GET", path)).json()["name"] == "Ours"
