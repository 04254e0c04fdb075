"""Files of an agent's answer: they go with the mail, or the mail says where they are."""

import base64
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.notifications.mailing import MOST_BYTES
from notify.attachments import file_name
from notify.channel import File, Mail
from notify.email import compose
from tests.notifications.mailroom import Mailroom
from tests.notifications.test_mail import text_of

CASEY = "casey@shop.example"
ALL_BYTES = bytes(range(256)) * 40


async def answered(
    room: Mailroom, *files: tuple[str, bytes], kind: str = "application/pdf"
) -> tuple[Any, EmailMessage]:
    """An answer with files, as it arrives."""
    ticket = await room.ticket()
    comment = await room.comment(ticket, "See the file.")
    for name, content in files:
        await room.attached(ticket, comment, name, content, kind)
    await room.post("ticket_reply", CASEY, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    [mail] = room.mail.taken
    return ticket, mail


def inside(mail: EmailMessage) -> list[tuple[str | None, bytes]]:
    return [(part.get_filename(), part.get_payload(decode=True)) for part in mail.iter_attachments()]  # type: ignore[misc]


async def test_files_arrive_as_they_were_byte_for_byte(room: Mailroom) -> None:
    _, mail = await answered(
        room, ("report.pdf", ALL_BYTES), ("Übersicht 你好.pdf", b""), ("note.txt", b"\r\n.\r\n--x\r\n")
    )
    assert inside(mail) == [("report.pdf", ALL_BYTES), ("Übersicht 你好.pdf", b""), ("note.txt", b"\r\n.\r\n--x\r\n")]
    assert mail.get_content_type() == "multipart/mixed"
    assert text_of(mail).startswith("See the file.\n")
    assert mail.get_body(("html",)) is not None
    assert not mail.defects


async def test_only_the_answers_own_files_go_with_it(room: Mailroom) -> None:
    ticket = await room.ticket()
    mine, other, internal = [await room.comment(ticket, "x") for _ in range(3)]
    for comment, name in ((mine, "mine.txt"), (other, "other.txt"), (mine, "secret.txt")):
        await room.attached(ticket, comment, name, b"x")
    await room.rows(
        "update ticket_attachments set internal = true where attachment_id in (select id from attachments where file_name = 'secret.txt')"
    )
    await room.post("ticket_reply", CASEY, ticket=ticket, commentId=mine)
    await room.post("ticket_reply", "robin@else.example", ticket=ticket, commentId=internal)
    agent, address = await room.person()
    await room.post("ticket_watched", agent, ticket=ticket, commentId=mine)
    await room.dispatcher.drain()
    assert [name for name, _ in inside(room.mail.to(CASEY)[0])] == ["mine.txt"]
    for without in ("robin@else.example", address):
        assert inside(room.mail.to(without)[0]) == []


async def test_what_is_too_large_is_named_with_where_it_is(room: Mailroom) -> None:
    big = b"x" * (MOST_BYTES - 10)
    ticket, mail = await answered(room, ("first.bin", big), ("second.bin", b"y" * 11), ("third.bin", b"z" * 10))
    assert [name for name, _ in inside(mail)] == ["first.bin", "third.bin"]
    assert "These files could not come with this mail:\n• second.bin (1 KB)\nYou find them at https://" in text_of(mail)
    assert f"help.shop.example/tickets/{ticket}" in text_of(mail)


async def test_a_server_that_takes_no_large_mail_gets_the_answer_without_its_files(room: Mailroom) -> None:
    room.mail.weigh = lambda content: "552 5.3.4 Too large" if len(content) > 20_000 else None
    _, mail = await answered(room, ("large.pdf", ALL_BYTES * 3))
    assert inside(mail) == []
    assert "• large.pdf (30 KB)" in text_of(mail)


@pytest.mark.parametrize(("seconds", "sent"), [(5, 1), (-1, 0)], ids=["it is ours", "others have it"])
async def test_a_mail_is_sent_again_without_its_files_only_under_a_lease_that_lasts(
    room: Mailroom, seconds: int, sent: int
) -> None:
    left: list[Any] = []

    def weigh(content: bytes) -> str | None:
        large = len(content) > 20_000
        with psycopg.connect(room.database.owner.conninfo(), autocommit=True) as connection:
            if large:
                late = "update notifications set leased_until = clock_timestamp() + make_interval(secs => %s) where id = %s"
                connection.execute(late, (seconds, row))
            found = connection.execute(
                "select leased_until - clock_timestamp() from notifications where id = %s and dead_at is null", (row,)
            )
            left.extend(found.fetchone() or ())
        return "552 5.3.4 Too large" if large else None

    room.mail.weigh = weigh
    ticket = await room.ticket()
    comment = await room.comment(ticket, "See the file.")
    await room.attached(ticket, comment, "large.pdf", ALL_BYTES * 3, "application/pdf")
    row = await room.post("ticket_reply", CASEY, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    assert len(room.mail.to(CASEY)) == sent
    assert (max(left) > timedelta(seconds=50)) is bool(sent)


async def test_a_file_that_cannot_be_read_is_waited_for_and_then_done_without(room: Mailroom) -> None:
    ticket = await room.ticket()
    comment = await room.comment(ticket, "See the file.")
    await room.attached(ticket, comment, "lost.txt", b"lost")
    await room.rows("update attachments set sha256 = repeat('0', 64) where file_name = 'lost.txt'")
    row = await room.post("ticket_reply", CASEY, ticket=ticket, commentId=comment)
    for _ in range(4):
        await room.dispatcher.drain()
        found = await room.row(row)
        assert (found["last_error"], found["dead_at"]) == ("A file of the comment cannot be read (Missing).", None)
        await room.due_now(row)
    await room.dispatcher.drain()
    [mail] = room.mail.taken
    assert inside(mail) == []
    assert "• lost.txt (1 KB)" in text_of(mail)


async def test_a_file_appears_again_before_patience_ends(room: Mailroom) -> None:
    ticket = await room.ticket()
    comment = await room.comment(ticket, "See the file.")
    await room.attached(ticket, comment, "late.txt", b"late")
    [stored] = await room.rows("select sha256 from attachments where file_name = 'late.txt'")
    place = room.blobs.directory / str(room.seed.tenant_id) / stored["sha256"][:2] / stored["sha256"]
    hidden = place.rename(place.with_suffix(".hidden"))
    row = await room.post("ticket_reply", CASEY, ticket=ticket, commentId=comment)
    await room.dispatcher.drain()
    hidden.rename(place)
    await room.due_now(row)
    await room.dispatcher.drain()
    assert inside(room.mail.taken[0]) == [("late.txt", b"late")]


NAMES = [
    "plain.txt",
    'quo"te\\.txt',
    "a\r\nContent-Type: text/html\r\n\r\n<script>.txt",
    "../../etc/passwd",
    "..\\..\\windows\\system.ini",
    "",
    "...",
    "你好 " * 60 + ".pdf",
    "name with ; and = and % and '.txt",
    "=?utf-8?q?x?=.txt",
    "x" * 500 + ".tar.gz",
    "\u202etxt.exe",
    "a\x00b.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_file_harms_and_each_is_read_as_it_was_written(name: str) -> None:
    written = compose(letter(File(name, "text/plain", b"content")))
    message = message_from_bytes(written, policy=policy.default)
    [part] = message.iter_attachments()
    read = part.get_filename()
    assert read == file_name(name)
    assert read
    assert not set(read) & set("/\\\r\n\0\u202e")
    assert not read.startswith(".")
    assert len(read) <= 120
    assert part.get_payload(decode=True) == b"content"
    assert part["Content-Type"].content_type == "text/plain"
    assert not part.defects
    assert max(map(len, written.split(b"\r\n"))) <= 998


@given(name=st.text(max_size=200))
def test_any_name_is_read_as_it_was_written(name: str) -> None:
    message = message_from_bytes(compose(letter(File(name, "text/plain", b""))), policy=policy.default)
    assert [part.get_filename() for part in message.iter_attachments()] == [file_name(name)]


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("image/PNG", "image/png"),
        ("text/html; charset=x", "text/html"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
        ("a/b\r\nBcc: x@y.example", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
    ],
)
def test_a_type_is_one_that_mail_can_carry(stored: str, sent: str) -> None:
    message = message_from_bytes(compose(letter(File("a", stored, b"x"))), policy=policy.default)
    [part] = [each for each in message.walk() if each.get_content_disposition() == "attachment"]
    assert part.get_content_type() == sent
    assert message["Bcc"] is None


def test_lines_of_a_file_are_as_long_as_mail_allows() -> None:
    written = compose(letter(File("a", "image/png", ALL_BYTES)))
    assert base64.b64encode(ALL_BYTES[:57]) + b"\r\n" in written
    assert written.isascii()


def letter(file: File) -> Mail:
    """A mail with one file."""
    return Mail("i", "a@b.example", "s", "t", "<p>h</p>", "c@d.example", "", "d.example", files=(file,))
