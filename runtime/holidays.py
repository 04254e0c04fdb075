"""Public holidays by country and subdivision, as the `holidays` library knows them."""

import re
import warnings
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final

import structlog

log = structlog.get_logger(__name__)

CODE: Final = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")


def holidays_or_none(country: str) -> Callable[[int], frozenset[date]]:
    """The same for promises that are made already: a country that the library has dropped has no holidays any more."""
    try:
        return public_holidays(country)
    except ValueError:
        log.error("country_unknown", country=country)
        return lambda _: frozenset()


@cache
def public_holidays(country: str) -> Callable[[int], frozenset[date]]:
    """The public holidays of a local year in a country (ISO 3166-1 alpha-2), perhaps in a part of it: `DE-BY`.

    Raises ValueError for a code that the library does not know. It is loaded at the first call, one country at a time.
    """
    from holidays import country_holidays

    code = CODE.fullmatch(country)
    if code is None:
        raise ValueError("must be a country such as DE, or a part of one such as DE-BY")
    entity, part = code.groups()
    try:
        country_holidays(entity, subdiv=part)
    except NotImplementedError:
        raise ValueError("has no public holidays that are known here") from None

    @cache
    def of_year(year: int) -> frozenset[date]:
        with warnings.catch_warnings():  # the lunar ones of some countries are known for a few decades only
            warnings.simplefilter("ignore")
            return frozenset(country_holidays(entity, subdiv=part, years=year))

    return of_year
