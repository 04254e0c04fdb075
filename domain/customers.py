"""What a customer account promises: its tier with the channels that come with it, its domains, its fee."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from domain.process import Invalid


class Tier(StrEnum):
    """What a customer has bought (guide: Support Tiers), the least first."""

    BASIC = "BASIC"
    PROFESSIONAL = "PROFESSIONAL"
    ENTERPRISE = "ENTERPRISE"
    PREMIUM = "PREMIUM"

    @property
    def rank(self) -> int:
        """The tier's place in the ladder, from 0; a higher one is never served worse."""
        return RANK[self]


class ContactChannel(StrEnum):
    """How a request reached the desk."""

    EMAIL = "EMAIL"
    PORTAL = "PORTAL"
    CHAT = "CHAT"
    PHONE = "PHONE"
    API = "API"


RANK: Final[Mapping[Tier, int]] = {tier: rank for rank, tier in enumerate(Tier)}

CHANNELS: Final[Mapping[Tier, frozenset[ContactChannel]]] = {
    Tier.BASIC: frozenset({ContactChannel.EMAIL, ContactChannel.PORTAL}),
    Tier.PROFESSIONAL: frozenset({ContactChannel.EMAIL, ContactChannel.PORTAL, ContactChannel.CHAT}),
    Tier.ENTERPRISE: frozenset(ContactChannel),
    Tier.PREMIUM: frozenset(ContactChannel),
}
"""The channels on which a customer of a tier may ask (guide: Support Tiers); the desk may record any."""

UNUSUAL_DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Currencies of ISO 4217 whose smallest unit is not a hundredth."""

LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
LONGEST_DOMAIN: Final = 253

NO_ZONES: Final = frozenset(("Factory", "localtime", "posixrules"))
"""Files beside the zones' that name no place: they mean whatever the server that reads them is set to."""


def decimals(currency: str) -> int:
    """How many decimals an amount in `currency` has."""
    return UNUSUAL_DECIMALS.get(currency, 2)


def money(amount: Decimal, currency: str) -> Decimal:
    """`amount` with exactly the decimals of its currency. Raises ValueError where that would lose something."""
    exact = amount.quantize(Decimal(1).scaleb(-decimals(currency)))
    if exact != amount:
        raise ValueError(f"{currency} has {decimals(currency)} decimals")
    return exact


def domain_name(text: str) -> str:
    """A mail domain in the one form in which domains are compared: ASCII (IDNA), lower case. Raises ValueError."""
    try:
        name = text.strip().rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("is not a domain name") from None
    labels = name.split(".")
    if len(name) > LONGEST_DOMAIN or len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("is not a domain name")
    return name


def distinct(domains: Iterable[str]) -> list[str]:
    """The domains in the order given, each once."""
    return list(dict.fromkeys(domains))


def mail_domain(email: str) -> str | None:
    """The domain of an address in the form in which accounts hold theirs; None when it is no domain name."""
    try:
        return domain_name(email.rpartition("@")[2])
    except ValueError:
        return None


@cache
def time_zones() -> frozenset[str]:
    """The IANA names that a customer, a person or a calendar may have."""
    return frozenset(available_timezones() - NO_ZONES)


def time_zone(name: str) -> str:
    """`name`, when it is an IANA time zone. Raises ValueError."""
    if name not in time_zones():
        raise ValueError("is not an IANA time zone")
    return name


class FeeNotInCurrency(Invalid):
    """The fee has more decimals than its currency."""

    def __init__(self, currency: str) -> None:
        detail = f"{currency} has {decimals(currency)} decimals"
        super().__init__(detail + ".", [{"pointer": "/monthlyFee", "code": "decimals", "detail": detail}])


def fee(amount: Decimal, currency: str) -> Decimal:
    """A monthly fee that its currency can express. Raises FeeNotInCurrency."""
    try:
        return money(amount, currency)
    except ValueError:
        raise FeeNotInCurrency(currency) from None
