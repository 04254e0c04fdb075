"""Public holidays as business calendars use them."""

from datetime import date

import pytest

from runtime.holidays import public_holidays

EPIPHANY = date(2026, 1, 6)


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    everywhere, bavaria = public_holidays("DE")(2026), public_holidays("DE-BY")(2026)
    assert date(2026, 12, 25) in everywhere
    assert EPIPHANY not in everywhere
    assert EPIPHANY in bavaria
    assert everywhere < bavaria


def test_each_year_has_its_own_days() -> None:
    easter_monday = public_holidays("FR")
    assert date(2026, 4, 6) in easter_monday(2026)
    assert date(2027, 3, 29) in easter_monday(2027)
    assert {day.year for day in easter_monday(2027)} == {2027}


def test_a_year_of_which_nothing_is_known_warns_nobody() -> None:
    assert date(2040, 1, 26) in public_holidays("IN")(2040)


@pytest.mark.parametrize("code", ["XX", "DE-XX", "de", "DE-", "Germany", "", "DEU", "DE-BY-1", "DE\n"])
def test_an_unknown_code_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be a country|has no public holidays)"):
        public_holidays(code)
