"""Mail as bytes, into a directory, and by SMTP servers that refuse."""

import mailbox
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.channel import Mail, Undeliverable, Undelivered
from notify.email import compose, one_line
from notify.maildir import Maildir
from notify.smtp import Smtp
from runtime.embedded.ports import free_port

MAIL = Mail(
    id="0198c7f2",
    to="casey@shop.example",
    subject="[SUP-1] Grüße",
    text="Hello\n",
    html="<p>Hello</p>",
    sender="support@acme.example",
    sender_name='Acme "Support", Inc.\r\nBcc: x@y.example',
    domain="acme.example",
)


def changed(**fields: Any) -> Mail:
    return Mail(**{**MAIL.__dict__, **fields})


def test_names_and_subjects_cannot_begin_another_header() -> None:
    written = compose(changed(subject="Hi\r\nBcc: everybody@x.example\n\nBody"))
    message = message_from_bytes(written, policy=policy.default)
    assert message["Bcc"] is None
    assert b"\nBcc" not in written
    assert message["Subject"] == "Hi Bcc: everybody@x.example Body"


@pytest.mark.parametrize("text", ["Grüße\nлучше • 你好 " + "x" * 1500 + "\n", "x" * 5000 + "\n", "short\n.\n"])
def test_other_alphabets_and_long_lines_arrive_as_they_were_written(text: str) -> None:
    written = compose(changed(subject="[SUP-1] Grüße " + "ж" * 90, text=text, to="casey@bücher.example"))
    message = message_from_bytes(written, policy=policy.default)
    assert written.isascii()
    assert max(len(line) for line in written.split(b"\r\n")) <= 998
    assert message["Subject"] == "[SUP-1] Grüße " + "ж" * 90
    assert message["To"] == "casey@xn--bcher-kva.example"
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text
    assert str(message["From"].addresses[0].display_name) == 'Acme "Support", Inc. Bcc: x@y.example'


NAMES = [
    "",
    'Ann "Q" O\\Neil, Inc. (West)',
    "=?utf-8?q?Urgent=3A_transfer?=",
    "Re: =?iso-8859-1?B?SGk=?= Grüße",
    "?= =? ?=",
    "ж" * 200,
    "x" * 1500,
    "a 🧑🏽‍🚒 b " * 25,
    "Tab\there, and\u2028there, \x00 nothing",
    "=E4 100 % _under_ ; <x@y.example>",
]


@pytest.mark.parametrize("name", NAMES)
def test_subjects_and_names_of_all_sorts_are_read_as_they_were_written(name: str) -> None:
    written = compose(changed(subject=f"[SUP-1] {name}", sender_name=name))
    message = message_from_bytes(written, policy=policy.default)
    assert message["Subject"] == f"[SUP-1] {one_line(name)}".strip()
    shown, address = parseaddr(str(message_from_bytes(written)["From"]))
    assert (str(make_header(decode_header(shown))), address) == (one_line(name), MAIL.sender)
    assert not message["Subject"].defects
    assert not message["From"].defects


@given(name=st.text(max_size=300))
def test_no_encoded_word_is_longer_than_mail_allows(name: str) -> None:
    head = compose(changed(subject=name, sender_name=name)).partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        assert b"=?" not in line or len(line) <= 76
        assert all(len(word) <= 75 for word in line.split() if word.startswith(b"=?"))


@pytest.mark.parametrize("address", ["", "nobody", "a b@c.example", "a@b.example\r\nBcc: c@d.example", "@", "a@b@c"])
def test_an_address_that_is_none_is_undeliverable(address: str) -> None:
    with pytest.raises(Undeliverable):
        compose(changed(to=address))


async def test_without_a_mail_server_mail_stands_in_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "there" / "yet"
    for _ in range(2):
        await Maildir(directory).send(MAIL)
    box = mailbox.Maildir(directory, create=False)
    ids = [message["Message-ID"] for message in box]
    assert ids == ["<0198c7f2@acme.example>"] * 2


async def test_mail_in_a_directory_tells_where_its_bounces_go(tmp_path: Path) -> None:
    carrier = Maildir(tmp_path / "mail")
    await carrier.send(MAIL)
    await carrier.send(changed(envelope="support+b0unce@bücher.example"))
    texts = [path.read_text() for path in (tmp_path / "mail" / "new").iterdir()]
    paths = ["<support+b0unce@xn--bcher-kva.example>", f"<{MAIL.sender}>"]
    assert sorted(text.splitlines()[0] for text in texts) == [f"Return-Path: {path}" for path in paths]
    assert [text.count("Return-Path:") for text in texts] == [1, 1]
    with pytest.raises(Undeliverable):
        await carrier.send(changed(envelope="a@b.example>\r\nBcc: <c@d.example"))


async def test_a_directory_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Undelivered, match="cannot be written") as failed:
        await Maildir(tmp_path / "file" / "mail").send(MAIL)
    assert not isinstance(failed.value, Undeliverable)


async def test_a_mail_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(Undelivered, match="cannot be used") as failed:
        await Smtp("127.0.0.1", free_port()).send(MAIL)
    assert not isinstance(failed.value, Undeliverable)
    assert "casey" not in str(failed.value)
