"""Who stands behind a bearer credential: an API key, a person with a token of ours, or one whom the OIDC provider vouches for."""

from dataclasses import dataclass

from api.auth import Caller, Directory, Tokens
from api.keyring import PREFIX, KeyRing
from api.oidc.people import Members


@dataclass(frozen=True)
class Gate:
    """Every way in; which one it is can be told from how the credential begins. `members` is None without a provider."""

    tokens: Tokens
    directory: Directory
    keys: KeyRing
    members: Members | None = None

    async def admit(self, credential: str) -> tuple[Caller, float]:
        """The caller, and until when the credential is good in seconds since 1970. Raises Unauthenticated, Unavailable."""
        if credential.startswith(PREFIX):
            return await self.keys.admit(credential)
        if self.members is not None and not self.tokens.judges(credential):
            return await self.members.admit(credential)
        claims = self.tokens.claims(credential)
        return await self.directory.caller(claims), claims.expires_at

    async def close(self) -> None:
        """Ask nobody any more."""
        if self.members is not None:
            await self.members.close()
