"""Messages over HTTP: Standard Webhooks, signed, and what chats with incoming webhooks take."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
from standardwebhooks.webhooks import Webhook as Signer

from notify.channel import Post, Undeliverable, Undelivered
from runtime.outgoing import Caller
from runtime.targets import Forbidden

SECONDS: Final = 10.0
"""How long one call lasts at most, the look-up of the name included."""

MOST_BYTES: Final = 4096
"""So much of an answer is read."""

TRANSIENT: Final = frozenset({408, 425, 429})
"""Statuses below 500 that say: not now. Every other 4xx says that the receiver will not take this."""


@dataclass(frozen=True)
class StandardWebhook:
    """Standard Webhooks: `webhook-id`, `webhook-timestamp`, and in `webhook-signature` a signature by each secret."""

    caller: Caller

    async def send(self, post: Post) -> int | None:
        """Deliver, signed for this attempt's instant."""
        now = datetime.now(UTC)
        headers = {
            "webhook-id": post.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(Signer(secret).sign(post.id, now, post.body) for secret in post.secrets),
        }
        return await deliver(self.caller, post, headers)


@dataclass(frozen=True)
class Slack:
    """Incoming webhooks as Slack has them, and as other chats have copied them."""

    caller: Caller

    async def send(self, post: Post) -> int | None:
        """Deliver."""
        return await deliver(self.caller, post, {})


async def deliver(caller: Caller, post: Post, headers: Mapping[str, str]) -> int:
    """Post, and judge the answer: any 2xx is delivered, a 4xx refuses for good unless it is TRANSIENT, all else may be later."""
    sent = {"Content-Type": "application/json", "User-Agent": "Summit", **headers}
    try:
        answer = await caller.call(
            "POST", post.url, content=post.body.encode(), headers=sent, seconds=SECONDS, most_bytes=MOST_BYTES
        )
    except Forbidden as error:
        raise Undeliverable(f"The URL {error}.") from error
    except TimeoutError as error:
        raise Undelivered(f"No answer within {SECONDS:.0f} s.") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Undelivered(f"The call failed ({type(error).__name__}).") from error
    if 200 <= answer.status < 300:
        return answer.status
    if 400 <= answer.status < 500 and answer.status not in TRANSIENT:
        raise Undeliverable(f"The receiver refuses it ({answer.status}).", answer.status)
    raise Undelivered(f"The receiver answers {answer.status}.", answer.status)


def escaped(text: str) -> str:
    """`text` for Slack's markup, in which these three characters begin mentions and links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
