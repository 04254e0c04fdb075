"""What `summit doctor` says of mail and of what was given up."""

import os
from typing import Any

import pytest

from cli import doctor
from runtime.embedded.ports import free_port
from runtime.settings import Settings
from tests.api.front import settings_for
from tests.notifications.mailroom import Mailroom


def settings(room: Mailroom, **values: Any) -> Settings:
    """Settings of the room's installation."""
    return settings_for(room.database.app, **values)


async def test_it_counts_what_was_given_up_and_says_where_to_look(room: Mailroom) -> None:
    assert "none was given up" in await doctor._notifications(settings(room))
    await room.post("nothing_like_it")
    await room.dispatcher.drain()
    with pytest.raises(doctor.Ailment, match="1 were given up") as found:
        await doctor._notifications(settings(room))
    assert "/api/notifications/log" in found.value.remedy


async def test_it_tells_that_nobody_delivers(room: Mailroom) -> None:
    row = await room.post()
    await room.rows("update notifications set not_before = now() - interval '1 h' where id = %(id)s", id=row)
    with pytest.raises(doctor.Ailment, match="1 are due, the oldest for 3600 s"):
        await doctor._notifications(settings(room))


async def test_it_names_webhooks_that_keep_failing(room: Mailroom) -> None:
    assert await doctor._webhooks(settings(room)) == "none keeps failing"
    hook = (
        "insert into webhooks (tenant_id, url, events, secret, failures) values (%(t)s, 'https://h', '{*}', 's', %(n)s)"
    )
    for failures in range(doctor.OFTEN - 1, doctor.OFTEN + 4):
        await room.rows(hook, t=room.seed.tenant_id, n=failures)
    said = f"4 keep failing: .* of acme-support \\({doctor.OFTEN + 3} times in a row; 0 events wait, 0 were given up\\), .*and 1 more"
    with pytest.raises(doctor.Ailment, match=said) as found:
        await doctor._webhooks(settings(room))
    assert "/deliveries" in found.value.remedy


async def test_where_nothing_runs_it_says_how_to_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("POSTGRES_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    assert await doctor._examine() == 1
    said = capsys.readouterr().out
    assert "nothing runs here" in said
    assert "make up" in said


async def test_it_looks_for_the_mail_server(room: Mailroom) -> None:
    assert "mail goes into .summit/mail" in await doctor._mail(settings(room))
    assert "goes to 127.0.0.1" in await doctor._mail(settings(room, smtp_host="127.0.0.1", smtp_port=room.mail.port))
    with pytest.raises(doctor.Ailment, match="cannot be reached"):
        await doctor._mail(settings(room, smtp_host="127.0.0.1", smtp_port=free_port()))
    with pytest.raises(doctor.Ailment, match="nobody gets mail"):
        await doctor._mail(settings(room, environment="production"))
