"""The one way to call out over HTTP: to exactly the address that was judged, and no further."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from runtime.targets import Targets


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers, and as much of the body as was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Caller:
    """Makes outgoing calls: the name is looked up once and the connection goes to exactly that address, no redirect is followed,
    no proxy of the environment is used, and no more of the answer is read than asked for."""

    targets: Targets
    # Made once, because that takes longer than a call. Certificates are those of the library, or SSL_CERT_FILE's.
    certificates: ssl.SSLContext = field(default_factory=httpx.create_ssl_context, repr=False)

    async def call(
        self,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        seconds: float = 10.0,
        most_bytes: int = 64 * 1024,
    ) -> Answer:
        """The answer, whatever its status. Raises Forbidden, OSError, TimeoutError, httpx.HTTPError or httpx.InvalidURL."""
        parts = self.targets.check(url)
        async with asyncio.timeout(seconds):
            address = await self.targets.resolve(parts)
            pinned = httpx.URL(url).copy_with(host=str(address))
            named = {"Host": parts.netloc, "Accept-Encoding": "identity", **(headers or {})}
            extensions = {"sni_hostname": parts.hostname}
            async with (
                httpx.AsyncClient(
                    verify=self.certificates, timeout=seconds, follow_redirects=False, trust_env=False
                ) as client,
                client.stream(method, pinned, content=content, headers=named, extensions=extensions) as response,
            ):
                body = b""
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= most_bytes:
                        break
                return Answer(response.status_code, response.headers, body[:most_bytes])
