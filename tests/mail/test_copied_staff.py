"""One of the staff to whom a customer's mail went too: they watch the ticket, and answer it as themselves."""

from tests.mail.postoffice import SUPPORT, PostOffice, fresh, letter

AGENT = "agent@acme-support.example"
LEAD = "lead@acme-support.example"


async def test_they_watch_and_are_no_copy(post: PostOffice) -> None:
    boss, users = fresh("boss"), post.front.seed.users
    to = f"Support <{SUPPORT}>, Alex <{AGENT.upper()}>"
    _, ticket = await post.opened(sender=fresh(), to=to, cc=f"{boss}, {LEAD}, {AGENT}, admin@globex.example")
    assert ticket["cc"] == [boss, "admin@globex.example"]
    assert ticket["watchers"] == [str(users["agent"]), str(users["lead"])]
    await post.front.call("admin", "POST", f"/api/tickets/{ticket['id']}/comments", json={"body": "Try again."})
    watching = await post.told(ticket, "ticket_watched")
    assert {each["recipient"] for each in watching} == {str(users["agent"]), str(users["lead"])}
    assert AGENT not in {each["recipient"] for each in await post.told(ticket, "ticket_reply")}


async def test_their_answer_to_the_notice_that_they_get_is_theirs(post: PostOffice) -> None:
    _, ticket = await post.opened(sender=fresh(), cc=AGENT)
    [row] = await post.send(letter("Try again.", sender=AGENT), await post.staff_reply_to(ticket), sender=AGENT)
    assert (row["state"], str(row["ticket_id"])) == ("DONE", ticket["id"])


async def test_who_has_left_or_is_a_customer_stays_a_copy(post: PostOffice) -> None:
    gone = fresh("gone")
    await post.rows(
        "insert into users (tenant_id, email, name, role, active) values (%(t)s, %(e)s, 'Gone', 'AGENT', false)",
        t=post.front.seed.tenant_id,
        e=gone,
    )
    _, ticket = await post.opened(sender=fresh(), cc=f"{gone}, customer@example.com")
    assert (ticket["cc"], ticket["watchers"]) == ([gone, "customer@example.com"], [])


async def test_in_a_ticket_that_follows_another_too(post: PostOffice) -> None:
    sender = fresh()
    _, ticket = await post.opened(sender=sender)
    for status in ("RESOLVED", "CLOSED"):
        await post.moved(ticket, status)
    # As it was kept before the staff were told apart.
    await post.rows(
        "update support_tickets set cc = %(cc)s where id = %(id)s", cc=[AGENT, "boss@shop.example"], id=ticket["id"]
    )
    [row] = await post.send(letter("Again.", sender=sender), await post.reply_to(ticket))
    following = await post.ticket(row["ticket_id"])
    assert following["followUpOf"] == ticket["id"]
    assert (following["cc"], following["watchers"]) == (["boss@shop.example"], [str(post.front.seed.users["agent"])])


async def test_a_crowd_of_copies_leaves_room_for_the_staff_behind_it(post: PostOffice) -> None:
    many = ", ".join(fresh("one") for _ in range(30))
    _, ticket = await post.opened(sender=fresh(), cc=f"{many}, {AGENT}")
    assert len(ticket["cc"]) == 20
    assert ticket["watchers"] == [str(post.front.seed.users["agent"])]
