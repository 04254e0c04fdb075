"""Which addresses mail can go to."""

import pytest

from domain.mail.writable import wire_address, writable


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("casey@shop.example", "casey@shop.example"),
        ("a@b", "a@b"),
        ("o'neil+tag@shop.example", "o'neil+tag@shop.example"),
        ("casey@bücher.example", "casey@xn--bcher-kva.example"),
    ],
)
def test_what_every_server_takes_can_be_written_to(address: str, wire: str) -> None:
    assert wire_address(address) == wire
    assert writable(address)


@pytest.mark.parametrize(
    "address",
    [
        "user@[127.0.0.1]",
        "user@[IPv6:::1]",
        '"quoted local"@example.org',
        "ünï@exämple.org",
        "casey@shop..example",
        f"casey@{'x' * 64}.example",
        "casey@under_score.example",
        "casey@shop.example\r\nBcc: all@shop.example",
        "nobody",
        "@",
        "",
    ],
)
def test_what_some_would_refuse_cannot(address: str) -> None:
    assert wire_address(address) is None
    assert not writable(address)


def test_nobody_is_written_to_where_there_are_no_mailboxes() -> None:
    assert not writable("user-3@tickets.INVALID")
