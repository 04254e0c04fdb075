"""Custom fields: what definitions allow, what customers see, and how values are found again."""

from typing import Any

import pytest

from domain.tickets.fields import FREE, Definition, Definitions, FieldType, check, looked_up, plain


def field(key: str = "it", kind: str = "TEXT", **more: Any) -> Definition:
    return Definition(key=key, type=FieldType(kind), **more)


def wrong(definitions: Definitions, fields: dict[str, Any], *, by_staff: bool = True, **more: Any) -> dict[str, str]:
    return {each["pointer"]: each["code"] for each in check(definitions, fields, by_staff=by_staff, **more)}


OPTIONS = ("red", "green")
RIGHT = [
    ("TEXT", "a line"),
    ("TEXT", ""),
    ("TEXT", None),
    ("MULTILINE", "two\nlines"),
    ("NUMBER", 1.5),
    ("NUMBER", -3),
    ("INTEGER", 2**53 - 1),
    ("BOOLEAN", False),
    ("DATE", "2028-02-29"),
    ("SELECT", "red"),
    ("MULTISELECT", ["green", "red"]),
    ("MULTISELECT", []),
    ("URL", "https://example.com/a?b=c#d"),
    ("EMAIL", "casey@example.com"),
]
WRONG = [
    ("TEXT", "two\nlines"),
    ("TEXT", "x" * 1001),
    ("TEXT", 1),
    ("TEXT", ["a"]),
    ("MULTILINE", "x" * 10_001),
    ("MULTILINE", {"a": 1}),
    ("NUMBER", True),
    ("NUMBER", "1"),
    ("NUMBER", float("inf")),
    ("NUMBER", float("nan")),
    ("NUMBER", 1e300),
    ("NUMBER", 10**400),
    ("NUMBER", -(2**53)),
    ("INTEGER", 1.0),
    ("INTEGER", False),
    ("INTEGER", 2**53),
    ("BOOLEAN", 0),
    ("BOOLEAN", "true"),
    ("DATE", "2027-02-29"),
    ("DATE", "20270228"),
    ("DATE", "2027-2-8"),
    ("DATE", 20270228),
    ("SELECT", "blue"),
    ("SELECT", ["red"]),
    ("MULTISELECT", "red"),
    ("MULTISELECT", ["red", "red"]),
    ("MULTISELECT", ["blue"]),
    ("MULTISELECT", [["red"]]),
    ("URL", "example.com"),
    ("URL", "javascript:alert(1)"),
    ("URL", "https://"),
    ("URL", "https://exa mple.com"),
    ("URL", "https://[::1"),
    ("URL", "https://example.com/" + "x" * 2000),
    ("EMAIL", "casey"),
    ("EMAIL", "Casey <casey@example.com>"),
    ("EMAIL", 1),
]


@pytest.mark.parametrize(("kind", "value"), RIGHT, ids=str)
async def test_a_right_value_passes(kind: str, value: Any) -> None:
    assert wrong(Definitions([field(kind=kind, options=OPTIONS)]), {"it": value}) == {}


@pytest.mark.parametrize(("kind", "value"), WRONG, ids=str)
async def test_a_wrong_value_is_named(kind: str, value: Any) -> None:
    assert wrong(Definitions([field(kind=kind, options=OPTIONS)]), {"it": value}) == {"/fields/it": "field"}


async def test_every_type_is_tried_both_ways() -> None:
    assert {kind for kind, _ in RIGHT} == {kind for kind, _ in WRONG} == set(FieldType)


async def test_without_live_definitions_everything_goes() -> None:
    ended = Definitions([field(kind="INTEGER", required=True, live=False)])
    for definitions in (FREE, ended):
        assert wrong(definitions, {"it": "x", "what/ever": {"a": [1]}}) == {}
        assert definitions.kept({"a": None}) == {"a": None}


async def test_undefined_keys_are_refused_by_their_pointers() -> None:
    definitions = Definitions([field(), field("gone", live=False)])
    assert wrong(definitions, {"a/b~c": 1, "gone": 1, "it": "x"}) == {
        "/fields/a~1b~0c": "unknown_field",
        "/fields/gone": "unknown_field",
    }
    assert definitions.kept({"it": None}) == {}


async def test_what_a_ticket_has_from_before_may_stay_as_it_is() -> None:
    definitions, old = Definitions([field()]), {"imported": "x"}
    assert wrong(definitions, {"it": "y", "imported": "x"}, before=old) == {}
    assert wrong(definitions, {"imported": "z"}, before=old) == {"/fields/imported": "unknown_field"}
    assert wrong(definitions, {"imported": "x"}, before=old, by_staff=False) == {"/fields/imported": "unknown_field"}


async def test_a_required_field_must_be_there_where_fields_are_written_whole() -> None:
    definitions = Definitions([field(required=True)])
    for nothing in ({}, {"it": None}, {"it": "  "}):
        assert wrong(definitions, nothing) == {"/fields/it": "missing"}
    assert wrong(definitions, {}, whole=False) == {}
    assert wrong(definitions, {"it": None}, whole=False, within="/patch/fields") == {"/patch/fields/it": "missing"}


async def test_customers_fill_in_what_is_theirs_and_hear_nothing_of_the_rest() -> None:
    definitions = Definitions(
        [
            field("theirs", customer_visible=True, customer_editable=True, required=True),
            field("seen", customer_visible=True, required=True),
            field("secret", required=True),
        ]
    )
    assert wrong(definitions, {"theirs": "x"}, by_staff=False) == {}
    assert wrong(definitions, {"seen": "x", "secret": "x", "nothing": "x"}, by_staff=False) == {
        "/fields/seen": "not_editable",
        "/fields/secret": "unknown_field",
        "/fields/nothing": "unknown_field",
        "/fields/theirs": "missing",
    }
    assert set(wrong(definitions, {})) == {"/fields/theirs", "/fields/seen", "/fields/secret"}


async def test_customers_see_what_is_visible() -> None:
    values = {"seen": 1, "secret": 2, "undefined": 3}
    definitions = Definitions([field("seen", customer_visible=True), field("secret")])
    assert definitions.shown(values) == {"seen": 1}
    assert FREE.shown(values) == values


async def test_what_was_secret_stays_secret_when_its_definition_goes() -> None:
    ended = Definitions([field("secret", live=False), field("seen", customer_visible=True, live=False)])
    assert ended.shown({"seen": 1, "secret": 2, "free": 3}) == {"seen": 1, "free": 3}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5", "5"),
        ("5.0", "5"),
        ("+5.50", "5.5"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("100", "100"),
        ("0.00", "0"),
        ("1e9999", "1e9999"),
        ("nan", "nan"),
        ("five", "five"),
    ],
)
async def test_a_number_is_found_however_it_is_written(text: str, shown: str) -> None:
    assert plain(text) == shown


async def test_only_what_a_reader_sees_is_something_to_filter_by() -> None:
    definitions = Definitions([field("n", "INTEGER", customer_visible=True), field("b", "BOOLEAN"), field("t")])
    assert looked_up(definitions, "n", "05", by_staff=False) == "5"
    assert looked_up(definitions, "b", "TRUE", by_staff=True) == "true"
    assert looked_up(definitions, "t", "TRUE", by_staff=True) == "TRUE"
    assert looked_up(definitions, "t", "x", by_staff=False) is None
    assert looked_up(definitions, "nothing", "x", by_staff=True) is None
    assert looked_up(FREE, "anything", "x", by_staff=False) == "x"
    ended = Definitions([field("secret", live=False)])
    assert looked_up(ended, "secret", "x", by_staff=False) is None
    assert looked_up(ended, "secret", "x", by_staff=True) == "x"
