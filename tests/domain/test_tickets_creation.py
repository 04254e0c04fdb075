"""Who may open which ticket, with which tier, and what a change does to its version."""

from itertools import product

import pytest

from domain.customers import CHANNELS, ContactChannel, Tier
from domain.process import Forbidden, Invalid, Stale
from domain.tickets.commands import ChangeTicket
from domain.tickets.model import Priority, Severity, Status
from domain.tickets.outcome import PATCHED
from tests.domain.tickets import ACCOUNT, AGENT, CUSTOMER, SOMEBODY, START, after, creation, ticket

PORTAL = ContactChannel.PORTAL


def test_the_account_decides_the_tier_before_the_body_does() -> None:
    assert after(creation(sla_tier=Tier.BASIC), account_tier=Tier.PREMIUM).state.sla_tier is Tier.PREMIUM
    assert after(creation(sla_tier=Tier.ENTERPRISE)).state.sla_tier is Tier.ENTERPRISE
    assert after(creation()).state.sla_tier is Tier.BASIC


def test_a_ticket_without_a_priority_gets_one() -> None:
    state = after(creation()).state
    assert (state.priority, state.severity, state.version) == (Priority.MEDIUM, Severity.SEV3, 1)


def test_the_account_and_the_number_are_noted() -> None:
    state = after(creation(), account_id=ACCOUNT, number=77).state
    assert (state.account_id, state.number, state.created_at) == (ACCOUNT, 77, START)


def test_only_a_customer_is_the_requester() -> None:
    assert after(creation(channel=PORTAL), by=CUSTOMER).state.requester_id == CUSTOMER.id
    assert after(creation(), by=AGENT).state.requester_id is None


@pytest.mark.parametrize(("tier", "channel"), list(product(Tier, ContactChannel)), ids=str)
def test_customers_ask_on_the_channels_of_their_tier_and_staff_on_any(tier: Tier, channel: ContactChannel) -> None:
    assert after(creation(channel=channel), account_tier=tier).state.channel is channel
    if channel in CHANNELS[tier]:
        assert after(creation(channel=channel), by=CUSTOMER, account_tier=tier).state.channel is channel
    else:
        with pytest.raises(Invalid) as refused:
            after(creation(channel=channel), by=CUSTOMER, account_tier=tier)
        assert refused.value.extra["allowedChannels"] == sorted(CHANNELS[tier])


@pytest.mark.parametrize("choice", [{"sla_tier": Tier.PREMIUM}, {"assignee_id": SOMEBODY}, {"team_id": SOMEBODY}])
def test_customers_choose_neither_tier_nor_hands(choice: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        after(creation(channel=PORTAL, **choice), by=CUSTOMER)


def test_customers_ask_in_their_own_name() -> None:
    with pytest.raises(Forbidden):
        after(creation(channel=PORTAL, customer_email="other@shop.example"), by=CUSTOMER)


def test_every_field_that_is_patched_alone_moves_the_version_by_one() -> None:
    other = {
        "status": Status.IN_PROGRESS,
        "priority": Priority.URGENT,
        "severity": Severity.SEV1,
        "category": "Billing",
        "subject": "Other",
        "sla_tier": Tier.PREMIUM,
        "assignee_id": SOMEBODY,
        "team_id": SOMEBODY,
        "tags": ("vip",),
        "fields": {"order": 7},
        "language": "de",
    }
    assert other.keys() == set(PATCHED)
    for name, value in other.items():
        decision = after(ChangeTicket.model_validate({name: value}), ticket())
        assert (decision.state.version, decision.changes.keys()) == (2, {name})


def test_a_patch_of_several_fields_moves_the_version_once() -> None:
    decision = after(ChangeTicket(priority=Priority.LOW, subject="Other", tags=("a",)), ticket())
    assert decision.state.version == 2


def test_a_patch_that_says_what_is_so_already_moves_nothing() -> None:
    before = ticket(category="Billing", tags=("a",))
    decision = after(ChangeTicket(category="Billing", tags=("a",), priority=before.priority), before)
    assert (decision.state, decision.changes) == (before, {})


def test_a_new_description_moves_the_version_and_is_kept_beside_the_state() -> None:
    decision = after(ChangeTicket(description="A new text"), ticket())
    assert decision.state.version == 2
    assert decision.changes["description"].after == "A new text"
    assert "A new text" not in decision.state.model_dump_json()


def test_null_clears_and_silence_keeps() -> None:
    before = ticket(category="Billing", team_id=SOMEBODY)
    assert after(ChangeTicket(category=None), before).state.category is None
    assert after(ChangeTicket(category=None), before).state.team_id == SOMEBODY


def test_a_stale_copy_is_refused_with_the_version_that_there_is() -> None:
    with pytest.raises(Stale) as refused:
        after(ChangeTicket(subject="Other", expected_versions=(1, 2)), ticket(version=3))
    assert refused.value.extra == {"currentVersion": 3}
    assert after(ChangeTicket(subject="Other", expected_versions=(2, 3)), ticket(version=3)).state.version == 4


def test_a_ticket_that_no_version_fits_is_never_changed() -> None:
    with pytest.raises(Stale):
        after(ChangeTicket(subject="Other", expected_versions=()), ticket())


def test_operators_read_ids_and_enums_only() -> None:
    decision = after(creation(subject="Private matter", assignee_id=SOMEBODY, category="Secret"))
    shown = decision.details + str(decision.attributes)
    assert "SUP-1042" in shown
    for private in ("Private matter", "Secret", CUSTOMER.email):
        assert private not in shown
