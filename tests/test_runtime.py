"""Settings, payload encryption and logs: what every process leans on."""

import base64
import json
import logging
import os
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url
from temporalio.api.common.v1 import Payload

from runtime import logs
from runtime.settings import PostgresSettings, Settings
from runtime.temporal import EncryptionCodec, data_converter, parse_payload_keys

KEY = base64.b64encode(bytes(32)).decode()
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def clean_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("host", ["localhost", "::1", "/var/run/a dir"])
@pytest.mark.parametrize("password", ["", "p@ss:/ %?#"])
def test_libpq_and_sqlalchemy_reach_the_same_database(host: str, password: str) -> None:
    settings = PostgresSettings(host=host, user="an owner", password=SecretStr(password), db="my db")
    parts = psycopg.conninfo.conninfo_to_dict(settings.conninfo("summit_app"))
    wanted = {"host": host, "port": "5432", "user": "an owner", "dbname": "my db", "options": "-c role=summit_app"}
    assert parts == wanted | ({"password": password} if password else {})
    url = make_url(settings.sqlalchemy_url("summit_app"))
    assert (url.host or url.query["host"]) == host
    assert (url.username, url.password or "", url.database) == ("an owner", password, "my db")
    assert url.query["options"] == "-c role=summit_app"


def test_blank_variables_mean_absent_and_a_blank_limit_means_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_HOST", "SUMMIT_SECRET", "SUMMIT_RATE_LIMIT_PRINCIPAL", "ALLOWED_ORIGINS"):
        monkeypatch.setenv(name, "")
    settings = Settings()
    assert (settings.redis_host, settings.secret, settings.rate_limit_principal) == (None, None, "")
    assert settings.allowed_origins == []
    with pytest.raises(ValueError, match="SUMMIT_SECRET"):
        settings.require_secret()


def test_a_short_secret_is_refused_without_being_quoted_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMIT_SECRET", "short")
    with pytest.raises(ValidationError, match="32"):
        Settings()


def test_settings_do_not_print_secrets() -> None:
    settings = Settings(secret=SecretStr("s" * 40), payload_key=SecretStr(f"a:{KEY}"))
    assert "s" * 40 not in repr(settings)
    assert KEY not in repr(settings)


async def test_a_rotated_key_still_reads_what_the_old_one_wrote() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"')
    [old] = await EncryptionCodec(parse_payload_keys(f"a:{KEY}")).encode([payload])
    rotated = EncryptionCodec(parse_payload_keys(f"b:{OTHER_KEY},a:{KEY}"))
    [new] = await rotated.encode([payload])
    assert b"hello" not in old.SerializeToString() + new.SerializeToString()
    assert (old.metadata["key-id"], new.metadata["key-id"]) == (b"a", b"b")
    assert await rotated.decode([old, new, payload]) == [payload, payload, payload]


async def test_an_unknown_key_is_named() -> None:
    [sealed] = await EncryptionCodec(parse_payload_keys(f"a:{KEY}")).encode([Payload(data=b"x")])
    with pytest.raises(ValueError, match="'a'"):
        await EncryptionCodec(parse_payload_keys(f"b:{OTHER_KEY}")).decode([sealed])


@pytest.mark.parametrize("text", ["nonsense", "a:", "a:c2hvcnQ=", f"a:{KEY},a:{OTHER_KEY}", f":{KEY}"])
def test_malformed_keys_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="SUMMIT_PAYLOAD_KEYS") as refusal:
        parse_payload_keys(text)
    assert KEY not in str(refusal.value)


def test_failures_are_encrypted_with_the_payloads() -> None:
    assert data_converter(Settings()).payload_codec is None
    sealed = data_converter(Settings(payload_key=SecretStr(f"a:{KEY}")))
    assert sealed.payload_codec is not None
    assert sealed.failure_converter_class().__class__.__name__ == "DefaultFailureConverterWithEncodedAttributes"


@pytest.mark.usefixtures("clean_logging")
def test_an_event_is_one_line_with_ids_and_without_contents(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "api")
    logs.bind_contextvars(request_id="r-1", tenant_id="t-1")
    structlog.get_logger("x").info(
        "ticket_created", ticket_id="1", subject="My password is lost", note="to a@b.example"
    )
    try:
        raise RuntimeError("boom DETAIL: Key (email)=(jo@x.example) already exists")
    except RuntimeError:
        logging.getLogger("library").exception("failed for %s", "jo@x.example")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["request_id"], first["tenant_id"], first["ticket_id"]) == (
        "ticket_created",
        "r-1",
        "t-1",
        "1",
    )
    assert first["note"] == "to [address]"
    assert "subject" not in first
    assert "jo@x.example" not in json.dumps(second)
    assert "RuntimeError" in second["exception"]


def test_the_tests_do_not_see_a_running_system() -> None:
    assert not [name for name in os.environ if name.startswith(("POSTGRES_", "TEMPORAL_"))]
