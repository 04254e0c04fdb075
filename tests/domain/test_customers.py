"""Tiers, domains and fees."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.customers import (
    CHANNELS,
    ContactChannel,
    FeeNotInCurrency,
    Tier,
    distinct,
    domain_name,
    fee,
    mail_domain,
    time_zone,
)


def test_a_higher_tier_has_every_channel_of_a_lower_one() -> None:
    tiers = sorted(Tier, key=lambda tier: tier.rank)
    assert tiers == [Tier.BASIC, Tier.PROFESSIONAL, Tier.ENTERPRISE, Tier.PREMIUM]
    for lower, higher in pairwise(tiers):
        assert CHANNELS[lower] <= CHANNELS[higher]


def test_chat_comes_with_professional_and_the_phone_with_enterprise() -> None:
    assert CHANNELS[Tier.BASIC] == {ContactChannel.EMAIL, ContactChannel.PORTAL}
    assert ContactChannel.CHAT in CHANNELS[Tier.PROFESSIONAL]
    assert ContactChannel.PHONE not in CHANNELS[Tier.PROFESSIONAL]
    assert CHANNELS[Tier.ENTERPRISE] == CHANNELS[Tier.PREMIUM] == set(ContactChannel)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Acme.Example", "acme.example"),
        (" acme.example. ", "acme.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_has_one_form(written: str, name: str) -> None:
    assert domain_name(written) == name


@pytest.mark.parametrize(
    "text",
    ["", "acme", "acme..example", "-a.example", "a b.example", "a" * 64 + ".example", "a@b.example", "\ud800.example"],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a domain name"):
        domain_name(text)


@given(st.text())
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        name = domain_name(text)
    except ValueError:
        return
    assert name == name.lower()
    assert name.isascii()
    assert domain_name(name) == name


def test_an_address_belongs_to_the_domain_after_its_last_at() -> None:
    assert mail_domain('"a@b"@Acme.Example') == "acme.example"


def test_domains_keep_their_order_and_lose_their_repeats() -> None:
    assert distinct(["b.example", "a.example", "b.example"]) == ["b.example", "a.example"]


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [("10", "USD", "10.00"), ("10.5", "EUR", "10.50"), ("10", "JPY", "10"), ("1.234", "KWD", "1.234")],
)
def test_a_fee_has_the_decimals_of_its_currency(amount: str, currency: str, written: str) -> None:
    assert str(fee(Decimal(amount), currency)) == written


@pytest.mark.parametrize(("amount", "currency"), [("10.005", "USD"), ("10.5", "JPY"), ("1.2345", "KWD")])
def test_a_fee_is_never_rounded(amount: str, currency: str) -> None:
    with pytest.raises(FeeNotInCurrency) as refusal:
        fee(Decimal(amount), currency)
    assert refusal.value.extra["errors"][0]["pointer"] == "/monthlyFee"


def test_only_iana_names_are_time_zones() -> None:
    assert time_zone("Europe/Paris") == "Europe/Paris"
    for wrong in ("Mars/Olympus", "../etc/passwd", "", "+02:00", "localtime", "Factory", "posixrules"):
        with pytest.raises(ValueError, match="IANA"):
            time_zone(wrong)
