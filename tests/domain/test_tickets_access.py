"""Who sees a ticket: the staff, its account, and whoever asked. Who is copied in takes part by mail and sees nothing."""

from typing import Any
from uuid import UUID

import pytest

from domain.customers import ContactChannel
from domain.identity import Actor, Role
from domain.process import Command, NotFound
from domain.tickets.access import sees
from domain.tickets.commands import ChangeTicket, Merge, Relate
from domain.tickets.model import Status
from tests.domain.tickets import ACCOUNT, AGENT, CUSTOMER, SOMEBODY, START, STRANGER, after, move, reply, ticket

COLLEAGUE = STRANGER.model_copy(update={"account_id": ACCOUNT})
KEY = Actor(id=UUID(int=0x6E), role=Role.CUSTOMER, name="A key", email="")


@pytest.mark.parametrize(
    ("actor", "account", "address", "seen"),
    [
        (AGENT, ACCOUNT, None, True),
        (COLLEAGUE, ACCOUNT, CUSTOMER.email, True),
        (COLLEAGUE, SOMEBODY, CUSTOMER.email, False),
        (STRANGER, None, CUSTOMER.email, False),
        (STRANGER, None, STRANGER.email.upper(), True),
        (KEY, None, None, False),
    ],
)
def test_who_sees_what(actor: Actor, account: UUID | None, address: str | None, seen: bool) -> None:
    assert sees(actor, account, address) is seen


@pytest.mark.parametrize("account", [None, SOMEBODY])
@pytest.mark.parametrize(
    "command",
    [
        ChangeTicket(),
        move(Status.CLOSED),
        move(Status.OPEN),
        reply(),
        Merge(into_id=SOMEBODY),
        Relate(cc="a@b.example"),
    ],
    ids=lambda command: command.type,
)
def test_who_is_copied_in_finds_no_ticket(command: Command, account: UUID | None) -> None:
    resolved = ticket(Status.RESOLVED, cc=(STRANGER.email,), account_id=ACCOUNT)
    with pytest.raises(NotFound):
        after(command, resolved, by=STRANGER.model_copy(update={"account_id": account}))


@pytest.mark.parametrize("said", [{}, {"automatic": True}], ids=["by hand", "automatic"])
def test_who_is_copied_in_answers_by_mail(said: dict[str, Any]) -> None:
    answer = reply(via=ContactChannel.EMAIL, **said)
    state = after(answer, ticket(cc=(STRANGER.email,)), by=STRANGER).state
    assert state.heard_at == (None if said else START)
    with pytest.raises(NotFound):
        after(answer, ticket(), by=STRANGER)
