"""Mail servers of every sort: with TLS, with a user, ones that hang up, and connections that are kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notify import smtp
from notify.channel import Undeliverable, Undelivered
from notify.smtp import MOST_CONNECTIONS, MOST_MAILS, Smtp
from runtime.embedded.ports import free_port
from tests.notifications.mailroom import Mailroom, MailServer
from tests.notifications.test_carriers import MAIL


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the house for 127.0.0.1, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    encoding, unlocked = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, unlocked)
    file.write_bytes(made.public_bytes(encoding) + private)
    return file


def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Lets the desk in, with its password."""
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"desk", b"secret")
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def server(
    certificate: Path | None = None, *, implicit: bool = False, sign_in: bool = False
) -> AsyncIterator[MailServer]:
    """A mail server, with TLS from the start (`implicit`) or by STARTTLS."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    options: dict[str, Any] = {"ssl_context": context} if implicit else {"tls_context": context}
    if sign_in:
        options |= {"authenticator": known, "auth_required": True, "auth_require_tls": not implicit}
    mail = MailServer(free_port())
    controller = UnthreadedController(
        mail, hostname="127.0.0.1", port=mail.port, loop=asyncio.get_running_loop(), **options
    )
    controller.server_coro = controller._create_server()
    running = await controller.server_coro
    try:
        yield mail
    finally:
        running.close()
        await running.wait_closed()


@asynccontextmanager
async def carrier(mail: MailServer, **wanted: Any) -> AsyncIterator[Smtp]:
    """What sends to a server; its connections are ended."""
    made = Smtp("127.0.0.1", mail.port, **{"tls": "off", **wanted})
    try:
        yield made
    finally:
        await made.close()


# The server of the test cannot see that its connection was secured before it began to speak.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(("implicit", "tls"), [(True, "tls"), (False, "starttls"), (False, "auto")])
async def test_mail_goes_through_tls_to_a_server_that_knows_its_user(
    certificate: Path, implicit: bool, tls: str
) -> None:
    signed_in = {"user": "desk", "password": "secret", "ca_file": str(certificate), "tls": tls}
    async with server(certificate, implicit=implicit, sign_in=True) as mail, carrier(mail, **signed_in) as sends:
        await sends.send(MAIL)
        await sends.send(MAIL)
        assert (len(mail.taken), mail.secured, len(mail.sessions)) == (2, [True, True], 1)


async def test_a_wrong_password_is_tried_again_and_stands_in_no_error(certificate: Path) -> None:
    wrong = {"user": "desk", "password": "not-the-secret", "ca_file": str(certificate), "tls": "starttls"}
    async with server(certificate, sign_in=True) as mail, carrier(mail, **wrong) as sends:
        with pytest.raises(Undelivered, match="answers 535") as failed:
            await sends.send(MAIL)
    assert not isinstance(failed.value, Undeliverable)
    assert "not-the-secret" not in str(failed.value)


@pytest.mark.parametrize(("implicit", "tls"), [(True, "tls"), (False, "starttls"), (False, "auto")])
async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    certificate: Path, implicit: bool, tls: str
) -> None:
    async with server(certificate, implicit=implicit) as mail, carrier(mail, tls=tls) as sends:
        with pytest.raises(Undelivered, match="cannot be used") as failed:
            await sends.send(MAIL)
        assert mail.taken == []
    assert not isinstance(failed.value, Undeliverable)


async def test_where_tls_is_asked_for_no_mail_goes_without(certificate: Path) -> None:
    async with server() as mail, carrier(mail, tls="starttls", ca_file=str(certificate)) as sends:
        with pytest.raises(Undelivered):
            await sends.send(MAIL)
        assert mail.taken == []


async def test_one_connection_carries_many_mails_and_is_then_renewed() -> None:
    async with server() as mail, carrier(mail) as sends:
        for _ in range(MOST_MAILS + 1):
            await sends.send(MAIL)
        assert (len(mail.taken), len(mail.sessions)) == (MOST_MAILS + 1, 2)


async def test_many_mails_at_once_share_a_few_connections() -> None:
    async with server() as mail, carrier(mail) as sends:
        await asyncio.gather(*(sends.send(MAIL) for _ in range(60)))
        assert len(mail.taken) == 60
        assert len(mail.sessions) <= MOST_CONNECTIONS
        assert len(sends.free) <= MOST_CONNECTIONS


async def test_a_connection_that_its_server_has_ended_costs_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as mail, carrier(mail) as sends:
        await sends.send(MAIL)
        [kept] = sends.free
        assert kept.client.transport is not None
        kept.client.transport.abort()
        await sends.send(MAIL)
        assert len(mail.taken) == 2
        monkeypatch.setattr(smtp, "IDLE_SECONDS", -1.0)
        await sends.send(MAIL)
        assert (len(mail.taken), len(mail.sessions)) == (3, 3)
        await sends.tend()
        assert sends.free == []


async def test_a_refused_recipient_leaves_the_connection_for_the_next() -> None:
    async with server() as mail, carrier(mail) as sends:
        mail.judge = lambda address: "550 No" if address.startswith("gone") else None
        for to in ("a@shop.example", "gone@shop.example", "b@shop.example"):
            if to.startswith("gone"):
                with pytest.raises(Undeliverable):
                    await sends.send(replace(MAIL, to=to))
            else:
                await sends.send(replace(MAIL, to=to))
        assert ([str(each["To"]) for each in mail.taken], len(mail.sessions)) == (
            ["a@shop.example", "b@shop.example"],
            1,
        )


async def test_a_server_that_goes_away_gets_another_connection() -> None:
    async with server() as mail, carrier(mail) as sends:
        mail.weigh = lambda _: "421 Going down"
        with pytest.raises(Undelivered, match="421"):
            await sends.send(MAIL)
        assert sends.free == []
        mail.weigh = lambda _: None
        await sends.send(MAIL)
        assert len(mail.taken) == 1


async def test_a_server_that_hangs_keeps_its_place_no_longer_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(smtp, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(smtp, "WAIT_SECONDS", 0.1)
    port = free_port()
    async with await asyncio.start_server(silence, "127.0.0.1", port):
        sends = Smtp("127.0.0.1", port, tls="off")
        tried = await asyncio.gather(*(sends.send(MAIL) for _ in range(MOST_CONNECTIONS + 1)), return_exceptions=True)
        assert all(isinstance(each, Undelivered) for each in tried)
        assert sorted(str(each) for each in tried)[0] == "All connections to the mail server are busy."
        assert not sends.places.locked()


async def test_a_storm_of_notices_goes_over_a_few_connections(room: Mailroom) -> None:
    for _ in range(40):
        await room.post()
    await room.dispatcher.drain()
    assert len(room.mail.taken) == 40
    assert len(room.mail.sessions) <= MOST_CONNECTIONS
