"""Who stands behind a bearer credential: a person with a token of ours, or an API key."""

from dataclasses import dataclass

from api.auth import Caller, Directory, Tokens
from api.keyring import PREFIX, KeyRing


@dataclass(frozen=True)
class Gate:
    """Every way in; which one it is can be told from how the credential begins."""

    tokens: Tokens
    directory: Directory
    keys: KeyRing

    async def admit(self, credential: str) -> tuple[Caller, float]:
        """The caller, and until when the credential is good in seconds since 1970. Raises Unauthenticated."""
        if credential.startswith(PREFIX):
            return await self.keys.admit(credential)
        claims = self.tokens.claims(credential)
        return await self.directory.caller(claims), claims.expires_at
