"""Authenticating: which token a program has shown, if it is one that counts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.catalog import Catalog
from keyrelay.model.token import Token


def _ignore(_: Token, __: datetime) -> None:
    """Note nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticating:
    """`digest` returns that of any text, as stores/definitions/token_rows.py does.

    `note_use` is told each token that was taken, and when; it waits for nothing.
    """

    catalog: Callable[[], Catalog]
    digest: Callable[[str], Awaitable[bytes]]
    now: Callable[[], datetime]
    note_use: Callable[[Token, datetime], None] = _ignore

    async def authenticate(self, given: str) -> Token | None:
        """Return the token of this plaintext; None, it is none that counts.

        Malformed, unknown, revoked, altered and expired ones take the same way, so
        that neither the answer nor its time tells which it was. Raises Unavailable
        while the vault is sealed or the catalog is out of date.
        """
        catalog = self.catalog()
        token = catalog.token(await self.digest(given))
        now = self.now()
        if token is None or token.is_expired(now):
            return None
        self.note_use(token, now)
        return token
