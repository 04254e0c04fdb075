"""Content-Type and Content-Disposition as programs write them, in pieces, in charsets, and broken."""

import time

import pytest

from domain.mail.message import read_mail
from domain.mail.parameters import parameters


@pytest.mark.parametrize(
    ("raw", "value", "given"),
    [
        ("Text/Plain; CHARSET=UTF-8;Format=flowed", "text/plain", {"charset": "UTF-8", "format": "flowed"}),
        ('multipart/mixed;\tboundary="=_a;b=c"; x = y ', "multipart/mixed", {"boundary": "=_a;b=c", "x": "y"}),
        (r'attachment; filename="a \"b\" c.txt"; size=3', "attachment", {"filename": 'a "b" c.txt', "size": "3"}),
        (r'a/b; name="C:\temp\a.txt"', "a/b", {"name": r"C:\temp\a.txt"}),
        ("a/b; name=one two three", "a/b", {"name": "one two three"}),
        ('a/b; name="unclosed; x=y', "a/b", {"name": "unclosed; x=y"}),
        ('a/b; name="closed" (rest); x=y', "a/b", {"name": "closed", "x": "y"}),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.txt", "attachment", {"filename": "€ rates.txt"}),
        ("attachment; filename*=iso-8859-1'de'%fc.txt; filename=u.txt", "attachment", {"filename": "ü.txt"}),
        (
            """a; x*0*=us-ascii'en'This%20is%20; x*1*=%2A%2Afun%2A%2A%20; x*2="isn't it!\"""",
            "a",
            {"x": "This is **fun** isn't it!"},
        ),
        ('a; x*1="def.pdf"; x*0="abc"', "a", {"x": "abcdef.pdf"}),
        ("a; x*0*=utf-8''%C3; x*1*=%BC", "a", {"x": "ü"}),
        ("a; x*=punycode''abc-def; y*=nonsense; z*=''", "a", {"x": "abc-def", "y": "nonsense", "z": ""}),
        ("a; x*=utf-8''a%00b%0d%0ac", "a", {"x": "ab c"}),
        (";;=;", "", {}),
        ("", "", {}),
    ],
)
def test_parameters_are_read_as_they_are_meant(raw: str, value: str, given: dict[str, str]) -> None:
    assert parameters(raw.encode()) == (value, given)


@pytest.mark.parametrize(
    "piece", ['x="' + ";" * 100, ";", '; a="', '; a="\\', ";a*0=b", "; a*1*=%", ';a="' + "\\" * 99, ";*1"]
)
def test_two_hundred_parts_with_long_parameters_are_read(piece: str) -> None:
    header = (piece * 8192)[:8192].encode()
    part = b"--b\r\nContent-Disposition: attachment; " + header + b"\r\n\r\nx\r\n"
    begun = time.perf_counter()
    read = read_mail(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 200 + b"--b--")
    assert len(read.attachments) == 200
    assert time.perf_counter() - begun < 4.0
