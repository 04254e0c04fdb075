"""Which addresses can be written to: what people sign up with and write from is more than what every mail server takes."""

import re
from functools import lru_cache
from typing import Final

MADE_UP: Final = ".invalid"
"""What imports give to people who have no address; nobody has a mailbox there (RFC 2606)."""

PLAIN: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


@lru_cache(maxsize=4096)
def wire_address(address: str) -> str | None:
    """The address as every server takes it, its domain in ASCII; None for quoted local parts, other alphabets, and literals."""
    local, _, domain = address.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return None
    return plain if PLAIN.fullmatch(plain) else None


def made_up(address: str) -> bool:
    """Whether nobody can have the address."""
    return address.lower().endswith(MADE_UP)


def writable(address: str) -> bool:
    """Whether mail to the address can go out at all; whether it arrives only its server knows."""
    return not made_up(address) and wire_address(address) is not None
