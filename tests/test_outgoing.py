"""Outgoing calls go to the address that was judged, and to no other."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from runtime.embedded.ports import free_port
from runtime.outgoing import Caller
from runtime.settings import Settings
from runtime.targets import Forbidden, Targets

LOOPBACK = Targets.read("127.0.0.0/8")

REFUSED = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.9.9/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[64:ff9b:1:fffe:7f:0:1::]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:169.254.169.254]/",
    "http://[fec0::1]/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "http://",
    "http:///x",
    "example.com",
    "http://user@example.com/",
    "http://user:pw@example.com/",
    "http://example.com:99999/",
    "http://example.com/a b",
    "http://example.com/\r\nHost: x",
    "http://exämple.com/",
    "http://127.0.0.1\\@example.com/",
    "https://example.com/" + "x" * 3000,
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_we_never_call_is_told_at_once(url: str) -> None:
    with pytest.raises(Forbidden):
        Targets().check(url)


PUBLIC = [
    "https://example.com/x?y=z",
    "http://8.8.8.8:8080/",
    "https://[2606:4700::1111]/",
    "https://[64:ff9b::808:808]/",
    "https://[::ffff:8.8.8.8]/",
]


@pytest.mark.parametrize("url", PUBLIC)
def test_what_lies_in_public_may_be_called(url: str) -> None:
    assert Targets().check(url).hostname


def test_a_network_that_is_allowed_is_allowed_in_every_spelling() -> None:
    for url in ("http://127.0.0.1:8080/", "http://2130706433/", "http://[::ffff:127.0.0.1]/"):
        assert LOOPBACK.check(url)
    with pytest.raises(Forbidden):
        LOOPBACK.check("http://[::1]/")
    with pytest.raises(ValueError, match="does not appear"):
        Targets.read("localhost")


@pytest.mark.parametrize(
    "wrong",
    [{"allow_targets": "localhost"}, {"mail_from": "Acme <a@b.example>"}, {"smtp_tls": "maybe"}, {"mail_dir": ""}],
)
def test_a_setting_that_cannot_be_stops_the_process_at_its_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]


@dataclass
class Server:
    """Says the same to everybody, and remembers what was asked."""

    port: int
    says: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    heard: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.says)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[Server]:
    made = Server(free_port())
    listening = await asyncio.start_server(made.serve, "127.0.0.1", made.port)
    yield made
    listening.close()
    await listening.wait_closed()


def resolving(monkeypatch: Any, *answers: str) -> list[str]:
    """Let every name resolve to these addresses, one look-up after another; the names asked for."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", (left.pop(0) if len(left) > 1 else left[0], port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return asked


async def test_a_name_is_looked_up_once_and_called_at_that_address(server: Server, monkeypatch: Any) -> None:
    asked = resolving(monkeypatch, "127.0.0.1", "10.0.0.1")
    answer = await Caller(LOOPBACK).call("POST", f"http://rebinding.example:{server.port}/x?y", content=b"hi")
    assert (answer.status, answer.body) == (200, b"ok")
    assert asked == ["rebinding.example"]
    assert server.heard[0].startswith(b"POST /x?y HTTP/1.1\r\n")
    assert f"host: rebinding.example:{server.port}".encode() in server.heard[0].lower()


async def test_a_name_that_leads_inside_is_refused(monkeypatch: Any) -> None:
    resolving(monkeypatch, "169.254.169.254")
    with pytest.raises(Forbidden, match="leads to a network"):
        await Caller(LOOPBACK).call("GET", "http://metadata.example/")


async def test_a_redirect_is_an_answer_and_nothing_more(server: Server) -> None:
    server.says = b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    answer = await Caller(LOOPBACK).call("GET", f"http://127.0.0.1:{server.port}/")
    assert answer.status == 302
    assert len(server.heard) == 1


async def test_no_more_is_read_than_asked_for(server: Server) -> None:
    server.says = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
    answer = await Caller(LOOPBACK).call("GET", f"http://127.0.0.1:{server.port}/", most_bytes=1000)
    assert answer.body == b"x" * 1000


async def test_a_silent_receiver_is_not_waited_for() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", port := free_port()):
        with pytest.raises(TimeoutError):
            await Caller(LOOPBACK).call("GET", f"http://127.0.0.1:{port}/", seconds=0.2)


async def test_of_several_addresses_one_that_may_be_called_is_taken(monkeypatch: Any) -> None:
    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (address, port)) for address in ("10.0.0.1", "127.0.0.9")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    assert await LOOPBACK.resolve(urlsplit("http://two.example/")) == ipaddress.ip_address("127.0.0.9")


def certified(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of this name shows, and what a caller needs to believe it."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = directory / "certificate.pem", directory / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(pem, private)
    return shown, ssl.create_default_context(cafile=str(pem))


async def test_a_certificate_must_be_that_of_the_name_though_the_address_is_called(
    tmp_path: Path, monkeypatch: Any
) -> None:
    shown, believed = certified(tmp_path, "hook.example")
    resolving(monkeypatch, "127.0.0.1")
    made = Server(free_port())
    caller = Caller(LOOPBACK, believed)
    async with await asyncio.start_server(made.serve, "127.0.0.1", made.port, ssl=shown):
        answer = await caller.call("GET", f"https://hook.example:{made.port}/")
        assert answer.status == 200
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await caller.call("GET", f"https://other.example:{made.port}/")


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"])
async def test_a_name_that_can_be_no_name_is_refused(host: str) -> None:
    with pytest.raises(Forbidden, match="is not a URL"):
        await LOOPBACK.resolve(urlsplit(f"http://{host}/"))
