"""Any bytes are a mail, and what people's programs make of one is read as it was meant."""

import time
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.mail.message import InboundMail, read_mail
from domain.mail.mime import DEEPEST, MOST_PARTS


def mail(text: str = "Hello", **headers: str) -> bytes:
    """A plain mail; underscores in names of headers are dashes."""
    given = {"From": "Casey <casey@shop.example>", "To": "support@summit.example", "Subject": "Help", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"{lines}\r\n{text}".encode()


def seconds(raw: bytes) -> float:
    begun = time.perf_counter()
    read_mail(raw)
    return time.perf_counter() - begun


PIECES = st.sampled_from(
    [
        b"From: a@b.c\r\n",
        b"Subject: =?utf-8?Q?x",
        b"?=\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"<blockquote>",
        b"<!--",
        b"<a href='",
        b"On 1.1.2026 a@b.c wrote:\r\n",
        b"> quoted\r\n",
        b"\0",
        b"\xff\xfe",
        b"((((",
        b"Content-Type: message/delivery-status\r\n",
        b"Final-Recipient: rfc822;",
        b"Content-Disposition: attachment; filename*0*=",
        b"-----Original Message-----\r\n",
        b"Message-ID: <",
        b">",
        b"+2AA-",
        b"begin 644 x\r\n",
    ]
)


@given(
    st.one_of(st.binary(max_size=2000), st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=60).map(b"".join))
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    read = read_mail(raw)
    assert isinstance(read, InboundMail)
    for text in (
        read.subject,
        read.text,
        read.quoted or "",
        read.html or "",
        *(each.named for each in read.attachments),
    ):
        text.encode()
        assert "\0" not in text
    assert not {"\r", "\n"} & set(read.subject)
    assert all(part.content(raw) is not None for part in read.attachments)


@given(st.text(max_size=300), st.text(max_size=60), st.lists(st.binary(max_size=200), max_size=3))
@settings(max_examples=100, deadline=None)
def test_what_the_standard_library_writes_is_read_back(text: str, subject: str, files: list[bytes]) -> None:
    text, subject = (
        "".join(filter(str.isprintable, text)).strip(" >"),
        "".join(filter(str.isprintable, subject)).strip(),
    )
    message = EmailMessage(policy=SMTP)
    message["From"], message["Subject"] = "a@b.example", subject
    message.set_content(text)
    for number, content in enumerate(files):
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=f"ü{number}.bin")
    raw = message.as_bytes()
    read = read_mail(raw)
    assert read.subject == " ".join(subject.split())
    assert read.text.split() == text.split()
    assert [part.content(raw) for part in read.attachments] == files
    assert [part.named for part in read.attachments] == [f"ü{number}.bin" for number in range(len(files))]


def test_parts_nested_a_hundred_deep_end_as_one_file() -> None:
    raw = mail("", Content_Type="multipart/mixed; boundary=b0").rstrip()
    for depth in range(100):
        raw += f"\r\n--b{depth}\r\nContent-Type: multipart/mixed; boundary=b{depth + 1}\r\n\r\n".encode()
    raw += b"--b100\r\nContent-Type: text/plain\r\n\r\nthe bottom\r\n--b100--\r\n"
    read = read_mail(raw)
    assert read.text == ""
    [file] = read.attachments
    assert b"the bottom" in file.content(raw)
    assert file.number == DEEPEST


def test_five_thousand_levels_are_no_recursion() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000))
    assert isinstance(read_mail(raw), InboundMail)


def test_ten_thousand_parts_are_cut_and_counted() -> None:
    head = mail("", Content_Type="multipart/mixed; boundary=b")
    raw = head + b"".join(b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" for _ in range(10_000)) + b"--b--"
    read = read_mail(raw)
    assert len(read.attachments) + 1 == MOST_PARTS
    assert read.dropped == 10_000 - len(read.attachments)
    assert seconds(raw) < 1.0


def test_each_alternative_is_read_once_and_the_plain_one_is_shown() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = "a@b.example"
    message.set_content("As text.")
    message.add_alternative("<p>As <b>HTML</b>.</p>", subtype="html")
    read = read_mail(message.as_bytes())
    assert (read.text, read.html is not None, read.attachments) == ("As text.", True, ())


def test_a_page_alone_is_read_as_text() -> None:
    raw = mail(
        "<head><title>x</title></head><p>One<br>two &amp; three</p><script>no()</script><a href='https://x.example/y'>here</a>",
        Content_Type="text/html; charset=utf-8",
    )
    assert read_mail(raw).text == "One\ntwo & three\n\nhere <https://x.example/y>"


@pytest.mark.parametrize(
    "html",
    [
        "<!--" * 200_000,
        "<a" * 300_000,
        "<a href='" * 60_000,
        "<![CDATA[" * 60_000,
        "&" * 900_000,
        "<blockquote>" * 50_000,
    ],
)
def test_no_html_costs_more_than_its_length(html: str) -> None:
    assert seconds(mail(html, Content_Type="text/html")) < 2.0


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"=?utf-8?Q?" * 100_000,
        b"To: " + b"(" * 200_000,
        b"To: " + b"<" * 100_000 + b'"' * 100_000,
        b"Subject: x\r\n" + b" y\r\n" * 300_000,
        b"Content-Type: text/plain; " + b'a="' * 60_000,
        b"\r\n" + b"On " * 10 + (b"a: " * 100 + b"wrote:\r\n") * 3000,
        b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"word \r\n" * 200_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\r\n" * 500_000,
        b"Authentication-Results: " + b'("' * 50_000,
    ],
)
def test_nothing_costs_more_than_its_length(raw: bytes) -> None:
    assert seconds(raw) < 2.0


def test_a_mail_of_25_mb_is_read_in_no_time() -> None:
    body = (b"QUJD" * 19 + b"\r\n") * 320_000
    raw = mail("", Content_Type="multipart/mixed; boundary=b") + (
        b"--b\r\n\r\nSee the file.\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + body
        + b"\r\n--b--"
    )
    begun = time.perf_counter()
    read = read_mail(raw)
    assert (read.text, read.attachments[0].content(raw)[:6]) == ("See the file.", b"ABCABC")
    assert time.perf_counter() - begun < 2.0


def test_a_charset_that_is_not_the_one_used_is_guessed() -> None:
    for charset, content in (
        ("us-ascii", "Grüße".encode()),
        ("utf-8", "Grüße".encode("latin-1")),
        ("x-nonsense", "Grüße".encode()),
        ("undefined", "Grüße".encode()),
        ("gb2312", "Grüße".encode("gb18030")),
    ):
        raw = mail("", Content_Type=f"text/plain; charset={charset}") + content
        assert read_mail(raw).text == "Grüße", charset


def test_flowed_lines_are_joined() -> None:
    raw = mail("One \r\nparagraph.\r\n> quoted \r\n> on\r\n", Content_Type="text/plain; format=flowed")
    read = read_mail(raw)
    assert (read.text, read.quoted) == ("One paragraph.", "> quoted on")


def test_a_mail_attached_is_a_file_and_neither_a_bounce_nor_the_text() -> None:
    inner = mail("The inner one.", Subject="Inner", Message_ID="<inner@x>")
    raw = (
        mail("", Subject="Fwd: Inner", Content_Type="multipart/mixed; boundary=b", Message_ID="<outer@x>")
        + b"--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"\r\n--b--"
    )
    read = read_mail(raw)
    assert (read.text, read.message_id, read.bounce) == ("See below.", "outer@x", None)
    assert [part.content(raw) for part in read.attachments] == [inner]
    assert read.forwarded is not None
    assert read.forwarded.address == "casey@shop.example"


def test_a_mail_without_anything_is_read() -> None:
    read = read_mail(b"")
    assert (read.sender, read.message_id, read.date, read.subject, read.text) == (None, None, None, "", "")


def test_garbage_in_base64_is_read_as_far_as_it_goes() -> None:
    raw = mail("SGVsbG8s!!!!\r\n####IHdvcmxk=\r\nX", Content_Transfer_Encoding="base64")
    assert read_mail(raw).text.startswith("Hello, world")


def test_winmail_and_encrypted_mail_are_files() -> None:
    raw = mail("eJ8+", Content_Type="application/ms-tnef; name=winmail.dat")
    assert [part.named for part in read_mail(raw).attachments] == ["winmail.dat"]


def test_the_language_is_the_first_that_the_sender_names() -> None:
    assert read_mail(mail(Content_Language="de-CH, fr")).language == "de"
    assert read_mail(mail(Content_Language="'; drop table")).language is None


def test_names_of_files_hold_no_folders_and_no_tricks() -> None:
    for given_name, shown in (
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\a.txt", "a.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("..", "file"),
        ("a" * 400 + ".pdf", "a" * 251 + ".pdf"),
    ):
        raw = mail("", Content_Type="application/x", Content_Disposition=f'attachment; filename="{given_name}"')
        assert [part.named for part in read_mail(raw).attachments] == [shown]
