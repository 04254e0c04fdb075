"""Signed reply addresses."""

from uuid import UUID, uuid4

import pytest

from domain.mail.addresses import (
    bounce_address,
    read_bounce,
    read_staff_token,
    read_token,
    reply_address,
    split_address,
    staff_address,
)

KEY = b"k" * 32
TICKET = UUID("0195f3a0-0000-7000-8000-000000000001")


def test_an_answer_finds_its_ticket() -> None:
    address = reply_address("support@example.com", TICKET, KEY)
    plain, token = split_address(address)
    assert plain == "support@example.com"
    assert read_token(token, KEY) == TICKET
    assert len(address.partition("@")[0]) <= 64


def test_mail_programs_may_shout() -> None:
    _, token = split_address(reply_address("support@example.com", TICKET, KEY).upper())
    assert read_token(token, KEY) == TICKET


def test_a_token_of_another_key_or_ticket_is_worth_nothing() -> None:
    _, token = split_address(reply_address("support@example.com", TICKET, KEY))
    _, other = split_address(reply_address("support@example.com", uuid4(), KEY))
    assert token
    assert other
    assert read_token(token, b"x" * 32) is None
    assert read_token(other[:26] + token[26:], KEY) is None


@pytest.mark.parametrize("token", [None, "", "abc", "ümlaut", "1" * 42, "a" * 42, "a" * 200, "\0", "billing"])
def test_what_is_no_token_names_nothing(token: str | None) -> None:
    assert read_token(token, KEY) is None


def test_a_mailbox_with_a_long_name_keeps_its_address() -> None:
    mailbox = f"{'a' * 40}@example.com"
    assert reply_address(mailbox, TICKET, KEY) == mailbox


def test_what_is_signed_for_one_of_the_staff_is_theirs_alone() -> None:
    agent = UUID("0195f3a0-0000-7000-8000-000000000002")
    address = staff_address("support@example.com", TICKET, agent, KEY)
    plain, token = split_address(address.upper())
    assert (plain, read_staff_token(token, agent, KEY)) == ("support@example.com", TICKET)
    assert len(address) == len(reply_address("support@example.com", TICKET, KEY))
    assert read_staff_token(token, uuid4(), KEY) is None
    assert read_staff_token(token, agent, b"x" * 32) is None
    assert (read_token(token, KEY), read_bounce(token, KEY)) == (None, None)
    _, everybodys = split_address(reply_address("support@example.com", TICKET, KEY))
    assert read_staff_token(everybodys, agent, KEY) is None


def test_an_address_without_a_plus_has_no_token() -> None:
    assert split_address("Ada@Example.COM") == ("ada@example.com", None)


def test_a_bounce_leads_to_its_notice_and_is_no_answer() -> None:
    address = bounce_address("support@example.com", TICKET, KEY)
    plain, token = split_address(address)
    assert (plain, read_bounce(token, KEY), read_token(token, KEY)) == ("support@example.com", TICKET, None)
    _, answer = split_address(reply_address("support@example.com", TICKET, KEY))
    assert read_bounce(answer, KEY) is None
    assert read_bounce(token, b"another key") is None
