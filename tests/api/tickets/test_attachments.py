"""Files on tickets: taken in whole or not at all, shown to whom they concern, and sent so that no browser runs them."""

import asyncio
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from tests.api.front import places, problem
from tests.api.tickets.files import PNG, given, got, some_bytes, stored, upload
from tests.api.tickets.office import Office, fresh, path

WEEK = timedelta(days=7)


async def test_a_file_is_read_as_it_was_uploaded(office: Office) -> None:
    ticket, content = await office.opened(), PNG + some_bytes()
    response = await upload(office, ticket, "customer", files={"file": ("Screen shot.png", content, "text/html")})
    assert response.status_code == 201, response.text
    made = response.json()
    checksum = hashlib.sha256(content).hexdigest()
    assert (made["fileName"], made["contentType"], made["size"]) == ("Screen shot.png", "image/png", len(content))
    assert (made["sha256"], made["ticketId"], made["commentId"]) == (checksum, ticket["id"], None)
    read = await office.call("customer", "GET", response.headers["location"])
    assert (read.status_code, read.content) == (200, content)
    assert read.headers["content-type"] == "image/png"
    assert read.headers["content-length"] == str(len(content))
    assert read.headers["etag"] == f'"{checksum}"'
    assert read.headers.get_list("x-content-type-options") == ["nosniff"]
    assert read.headers.get_list("content-security-policy") == ["sandbox; default-src 'none'"]
    assert read.headers["content-disposition"].startswith('attachment; filename="Screen shot.png"')
    assert "private" in read.headers["cache-control"]
    [listed] = await office.listed(url=path(ticket) + "/attachments")
    assert listed == made


async def test_who_has_it_is_not_sent_it_again(office: Office) -> None:
    file = await given(office, await office.opened())
    for tags in (f'"{file["sha256"]}"', f'"other", W/"{file["sha256"]}"', "*"):
        answer = await got(office, file, If_None_Match=tags)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{file["sha256"]}"'
    assert (await got(office, file, If_None_Match='"other"')).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=900-", 900, 1000),
        ("bytes=990-5000", 990, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
    ],
)
async def test_a_part_is_sent_alone(office: Office, asked: str, start: int, end: int) -> None:
    content = some_bytes()
    file = await given(office, await office.opened(), content=content)
    answer = await got(office, file, Range=asked)
    assert (answer.status_code, answer.content) == (206, content[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1000"
    assert (await got(office, file, Range=asked, If_Range=f'"{file["sha256"]}"')).status_code == 206
    assert (await got(office, file, Range=asked, If_Range='"changed"')).status_code == 200


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-", "bytes=x-1", "x"])
async def test_a_range_that_cannot_be_served_alone_gets_the_whole(office: Office, asked: str) -> None:
    file = await given(office, await office.opened())
    answer = await got(office, file, Range=asked)
    assert (answer.status_code, len(answer.content)) == (200, 1000)


async def test_a_part_behind_the_end_is_refused(office: Office) -> None:
    file = await given(office, await office.opened())
    for asked in ("bytes=1000-", "bytes=-0", "bytes=999999999999999999-"):
        answer = await got(office, file, Range=asked)
        problem(answer, 416, "range-not-satisfiable")
        assert answer.headers["content-range"] == "bytes */1000"


async def test_head_tells_what_would_come_and_reads_nothing(office: Office) -> None:
    file = await given(office, await office.opened())
    answer = await office.call("agent", "HEAD", f"/api/attachments/{file['id']}")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "1000", b"")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("page.html", PNG, "image/png"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\n", "application/pdf"),
        ("a.txt", "Größe: 3\n".encode(), "text/plain"),
        ("a.log", b"2026-01-01 started\n", "text/plain"),
        ("a.csv", b"a;b\n1;2\n", "text/plain"),
        ("a.txt", b"<html><script>alert(1)</script>", "application/octet-stream"),
        ("a.txt", b"\xef\xbb\xbf  <!doctype html>", "application/octet-stream"),
        ("a.txt", b"one\0two", "application/octet-stream"),
        ("a.txt", "UTF-16".encode("utf-16"), "application/octet-stream"),
        ("a.html", b"<!doctype html><script>alert(1)</script>", "application/octet-stream"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "application/octet-stream"),
        ("a.xml", b"<?xml version='1.0'?><a/>", "application/octet-stream"),
        ("a.js", b"alert(1)", "application/octet-stream"),
        ("a.exe", b"MZ" + bytes(60), "application/octet-stream"),
        ("a", b"who knows", "application/octet-stream"),
        ("a.zip", b"PK\x03\x04" + bytes(30), "application/zip"),
        (
            "a.docx",
            b"PK\x03\x04" + bytes(30),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
async def test_what_a_file_is_its_bytes_tell_and_never_its_sender(
    office: Office, name: str, content: bytes, kind: str
) -> None:
    ticket = await office.opened()
    response = await upload(office, ticket, files={"file": (name, content, "image/svg+xml")})
    assert response.json()["contentType"] == kind
    answer = await got(office, response.json())
    assert (answer.headers["content-type"], answer.content) == (kind, content)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\casey\\report.pdf", "report.pdf"),
        ("Übersicht Größe.pdf", "Übersicht Größe.pdf"),
        ("日本語 📎.txt", "日本語 📎.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a%0D%0ASet-Cookie: x=1.txt", "a Set-Cookie: x=1.txt"),
        ('say %22hello%22".txt', 'say "hello"".txt'),
        (".hidden. ", "hidden"),
        ("..", "file"),
        ("   ", "file"),
        ("a" * 300 + ".tar.gz", "a" * 252 + ".gz"),
        ("é" * 300, "é" * 127),
        ("x." + "y" * 400, "x." + "y" * 253),
    ],
)
async def test_a_name_has_no_path_no_tricks_and_no_more_than_255_bytes(office: Office, sent: str, kept: str) -> None:
    ticket = await office.opened()
    body = form(f'Content-Disposition: form-data; name="file"; filename="{quoted(sent)}"\r\n\r\nx'.encode())
    response = await upload(office, ticket, **body)
    assert response.status_code == 201, response.text
    assert response.json()["fileName"] == kept
    assert len(kept.encode()) <= 255
    disposition = (await got(office, response.json())).headers["content-disposition"]
    assert disposition.isascii()
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == kept


async def test_names_of_odd_bytes_are_taken_as_far_as_they_can_be_read(office: Office) -> None:
    ticket = await office.opened()
    for name, kept in ((b"\xff\xfea.txt", "\ufffd\ufffda.txt"), ("ab".encode("utf-16-le"), "ab")):
        body = form(b'Content-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\nx')
        response = await upload(office, ticket, **body)
        assert (response.status_code, response.json().get("fileName")) == (201, kept), response.text
    extended = b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''na%C3%AFve.txt\r\n\r\nx"
    assert (await upload(office, ticket, **form(extended))).json()["fileName"] == "naïve.txt"


def quoted(name: str) -> str:
    """A name as it stands between quotes."""
    return name.replace("\\", "\\\\").replace('"', '\\"')


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> dict[str, Any]:
    """A body made by hand."""
    content = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": content, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


FILE = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx'
EMPTY = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
FIELD = b'Content-Disposition: form-data; name="file"\r\n\r\nx'
OTHER = b'Content-Disposition: form-data; name="picture"; filename="a.txt"\r\n\r\nx'


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (form(), {"/file"}),
        (form(EMPTY), {"/file"}),
        (form(FILE, FILE), {"/file"}),
        (form(FIELD), {"/file"}),
        (form(OTHER), {"/file", "/picture"}),
        (form(FILE, OTHER, FIELD), {"/file", "/picture"}),
        (form(*[OTHER] * 50), {"/picture"}),
        (form(FILE, end=b""), {""}),
        (form(FILE, end=b"--b"), {""}),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, {""}),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, {""}),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, {""}),
        ({"content": b"x", "headers": {"Content-Type": f"multipart/form-data; boundary={'b' * 300}"}}, {""}),
        ({"json": {"file": "x"}}, {""}),
        ({"data": {"file": "x"}}, {""}),
        ({}, {""}),
    ],
    ids=str,
)
async def test_a_form_without_exactly_one_file_is_refused_and_leaves_nothing(
    office: Office, body: dict[str, Any], where: set[str]
) -> None:
    ticket, before = await office.opened(), stored(office)
    assert places(problem(await upload(office, ticket, **body), 422, "bad-upload")) == where
    assert await office.listed(url=path(ticket) + "/attachments") == []
    assert stored(office) == before


MIB = b"a" * 2**20


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_too_large_is_refused_as_soon_as_that_is_known(office: Office, announced: bool) -> None:
    ticket, before, taken = await office.opened(), stored(office), 0

    async def hundred() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b"--b\r\n" + FILE
        for _ in range(100):
            taken += 1
            yield MIB

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if announced:
        headers["Content-Length"] = str(100 * 2**20 + 1000)
    problem(await upload(office, ticket, content=hundred(), headers=headers), 413, "body-too-large")
    assert taken == (0 if announced else 25)
    assert stored(office) == before
    assert await office.listed(url=path(ticket) + "/attachments") == []


async def test_the_largest_file_that_is_allowed_is_taken_and_one_byte_more_is_not(office: Office) -> None:
    ticket, most = await office.opened(), office.front.settings.max_file_bytes
    content = some_bytes(most)
    file = await given(office, ticket, content=content)
    assert hashlib.sha256((await got(office, file)).content).hexdigest() == file["sha256"]
    more = await upload(office, ticket, files={"file": ("a.bin", content + b"x")})
    problem(more, 413, "body-too-large")
    assert len(await office.listed(url=path(ticket) + "/attachments")) == 1


async def test_other_bodies_are_as_small_as_before(office: Office) -> None:
    ticket = await office.opened()
    body = {"body": "a" * 2 * 2**20}
    problem(await office.call("agent", "POST", path(ticket) + "/comments", json=body), 413, "body-too-large")


async def test_an_archive_that_would_burst_is_kept_as_the_bytes_that_it_is(office: Office) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(200 * 2**20))
        archive.writestr("../../outside.txt", "x")
    content = packed.getvalue()
    before = stored(office)
    file = await given(office, await office.opened(), name="bomb.zip", content=content)
    assert (file["contentType"], file["size"]) == ("application/zip", len(content))
    assert stored(office) - before == {file["sha256"]}
    assert (await got(office, file)).content == content


async def test_the_same_key_gets_the_first_answer_and_another_file_is_refused(office: Office) -> None:
    ticket, content, headers = await office.opened(), some_bytes(), {"Idempotency-Key": fresh()}
    answers = [
        await upload(office, ticket, headers=headers, files={"file": ("a.bin", content, kind)})
        for kind in ("image/png", "text/plain", "text/plain")
    ]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
    for other in (("a.bin", content + b"x"), ("b.bin", content)):
        problem(await upload(office, ticket, headers=headers, files={"file": other}), 422, "key-reused")
    assert len(await office.listed(url=path(ticket) + "/attachments")) == 1


async def test_of_many_requests_under_one_key_one_makes_the_file(office: Office) -> None:
    ticket, file, headers = await office.opened(), ("a.bin", some_bytes()), {"Idempotency-Key": fresh()}
    answers = await asyncio.gather(*(upload(office, ticket, headers=headers, files={"file": file}) for _ in range(6)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert len(await office.listed(url=path(ticket) + "/attachments")) == 1


async def test_a_repeat_gets_its_answer_also_when_the_ticket_is_over(office: Office) -> None:
    ticket, file, headers = await office.opened(), ("a.bin", some_bytes()), {"Idempotency-Key": fresh()}
    first = await upload(office, ticket, headers=headers, files={"file": file})
    await office.patched(ticket, status="RESOLVED")
    assert (await upload(office, ticket, files={"file": file})).status_code == 201, "a resolved ticket takes files"
    await office.patched(ticket, status="CLOSED")
    problem(await upload(office, ticket, files={"file": file}), 409, "ticket-final")
    again = await upload(office, ticket, headers=headers, files={"file": file})
    assert (again.status_code, again.text) == (201, first.text)
