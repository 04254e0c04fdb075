"""Mail as bytes, into a directory, and by SMTP servers that refuse."""

import mailbox
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from notify.channel import Mail, Undeliverable, Undelivered
from notify.email import compose
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
)


def changed(**fields: str) -> Mail:
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
