"""Where outgoing HTTP calls may go: public addresses, and the networks that the setting allows."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The IPv6 addresses that are given out to anybody; beyond are forms that hide an IPv4 address of whatever network."""

PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
LONGEST_URL: Final = 2048


class Forbidden(Exception):
    """A target that we do not call: the text says why, without the address that its name has inside our network."""


@dataclass(frozen=True)
class Targets:
    """The networks that may be called beside the public ones; production allows none."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Targets":
        """Networks separated by commas. Raises ValueError."""
        return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def reachable(self, address: Address) -> bool:
        """Whether this address may be connected to; one that embeds another stands for the other too."""
        if any(address in network for network in self.allowed if network.version == address.version):
            return True
        inner = embedded(address)
        if inner is not None:
            return self.reachable(inner)
        unicast = address.version == 4 or address in UNICAST
        return unicast and address.is_global and not address.is_multicast

    def check(self, url: str) -> SplitResult:
        """The parts of a URL that could be called, as far as that can be told without asking for its name. Raises Forbidden."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Forbidden("is not a URL") from None
        printable = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
        if parts.scheme not in PORTS or not parts.hostname or not printable or len(url) > LONGEST_URL or port == 0:
            raise Forbidden("must be an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise Forbidden("must not hold a user name or a password")
        literal = address_in(parts.hostname)
        if literal is not None and not self.reachable(literal):
            raise Forbidden("names an address in a network that we do not call")
        return parts

    async def resolve(self, parts: SplitResult) -> Address:
        """One address of the URL's host that may be called. Raises Forbidden, or OSError when there is no such name."""
        host = parts.hostname or ""
        literal = address_in(host)
        if literal is not None:
            found = [literal]
        else:
            loop = asyncio.get_running_loop()
            try:
                rows = await loop.getaddrinfo(host, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
            except UnicodeError:  # a label that is empty or too long
                raise Forbidden("is not a URL") from None
            found = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
        for address in found:
            if self.reachable(address):
                return address
        raise Forbidden("leads to a network that we do not call")


def address_in(host: str) -> Address | None:
    """The address that a host name is, also in the spellings that only resolvers understand (`127.1`, `0x7f000001`)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host[-1:].isalnum() and host[:1].isdigit() else None
    except OSError:
        return None


def embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
