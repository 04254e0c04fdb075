"""The keys of an OpenID provider: when they are asked for, learnt, kept and given up."""

import asyncio
import uuid

from tests.api.front import problem
from tests.api.issuer import (
    House,
    ec_signer,
    rsa_signer,
)
from tests.api.oidc.house import LEAD, refused


async def test_a_storm_of_unknown_keys_asks_the_issuer_once(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        asked = fresh.issuer.times_asked
        assert asked == 1
        stranger = rsa_signer("stranger")
        storm = [fresh.issuer.token(LEAD, stranger, kid=uuid.uuid4().hex) for _ in range(50)]
        answers = await asyncio.gather(*map(fresh.me, storm))
        assert {answer.status_code for answer in answers} == {401}
        assert fresh.issuer.times_asked == asked, "the last question is not 30 seconds ago"
        fresh.later(31)
        await asyncio.gather(*map(fresh.me, storm))
        assert fresh.issuer.times_asked == asked + 1


async def test_who_comes_while_the_issuer_is_being_asked_waits_for_that_answer(fresh: House) -> None:
    fresh.issuer.slow = 0.2
    async with fresh.issuer.open():
        answers = await asyncio.gather(*(fresh.me(fresh.issuer.token(LEAD)) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert fresh.issuer.times_asked == 1


async def test_a_caller_who_goes_away_does_not_stop_the_question_of_the_others(fresh: House) -> None:
    fresh.issuer.slow = 0.2
    async with fresh.issuer.open():
        first, second = (asyncio.create_task(fresh.me(fresh.issuer.token(LEAD))) for _ in range(2))
        await fresh.issuer.heard.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert (await second).status_code == 200
        assert fresh.issuer.times_asked == 1


async def test_a_new_key_is_learnt_when_it_has_signed(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        second = ec_signer("second")
        fresh.issuer.keys.append(second.published())
        assert "does not publish" in await refused(fresh, fresh.issuer.token(LEAD, second))
        fresh.later(31)
        assert (await fresh.me(fresh.issuer.token(LEAD, second))).status_code == 200
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200


async def test_a_key_that_is_withdrawn_is_believed_for_ten_minutes_more_at_most(fresh: House) -> None:
    async with fresh.issuer.open():
        token = fresh.issuer.token(LEAD)
        assert (await fresh.me(token)).status_code == 200
        fresh.issuer.keys[:] = [ec_signer("second").published()]
        fresh.later(599)
        assert (await fresh.me(token)).status_code == 200
        assert fresh.issuer.times_asked == 1
        fresh.later(1)
        assert (await fresh.me(token)).status_code == 200, "nobody waits for the question"
        await fresh.members.tokens.keys.asking
        assert fresh.issuer.times_asked == 2
        assert "does not publish" in await refused(fresh, token)


async def test_known_keys_go_on_while_the_issuer_is_away_and_unknown_ones_may_be_tried_again(fresh: House) -> None:
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
    fresh.later(700)
    for _ in range(2):
        assert (await fresh.me(fresh.issuer.token(LEAD))).status_code == 200
        await fresh.members.tokens.keys.asking
    assert "ConnectError" in fresh.members.tokens.keys.trouble
    fresh.later(31)
    answer = await fresh.me(fresh.issuer.token(LEAD, kid="new"))
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    async with fresh.issuer.open():
        problem(await fresh.me(fresh.issuer.token(LEAD, kid="new")), 503, "unavailable")
        fresh.later(31)
        assert "does not publish" in await refused(fresh, fresh.issuer.token(LEAD, kid="new"))


async def test_an_issuer_that_was_never_there_is_503_and_our_own_tokens_work(fresh: House) -> None:
    problem(await fresh.me(fresh.issuer.token(LEAD)), 503, "unavailable")
    assert (await fresh.api.call("agent", "GET", "/api/me")).status_code == 200


async def test_a_token_without_a_keys_name_is_taken_where_only_one_can_be_meant(fresh: House) -> None:
    fresh.issuer.keys.append(ec_signer("curved").published())
    async with fresh.issuer.open():
        assert (await fresh.me(fresh.issuer.token(LEAD, kid=None))).status_code == 200
        fresh.issuer.keys.append(rsa_signer("second").published())
        fresh.later(601)
        await fresh.me(fresh.issuer.token(LEAD))
        await fresh.members.tokens.keys.asking
        await refused(fresh, fresh.issuer.token(LEAD, kid=None))
