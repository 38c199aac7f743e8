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

    `refresh` brings the catalog up to date, where the database can be read: as it is
    awaited for each token that does not count, it gathers those that come together.
    `note_use` is told each token that was taken, and when; it waits for nothing.
    """

    catalog: Callable[[], Catalog]
    refresh: Callable[[], Awaitable[object]]
    digest: Callable[[str], Awaitable[bytes]]
    now: Callable[[], datetime]
    note_use: Callable[[Token, datetime], None] = _ignore

    async def authenticate(self, given: str) -> Token | None:
        """Return the token of this plaintext; None, it is none that counts.

        Malformed, unknown, revoked, altered and expired ones, and those of an analysis
        that is gone or was altered, take the same way, so that neither the answer nor
        its time tells which it was. Raises Unavailable
        while the vault is sealed or the catalog is out of date.
        """
        digest, now = await self.digest(given), self.now()
        token = self._counting(digest, now)
        if token is None:
            # It may have been made a moment ago, by another process.
            await self.refresh()
            token = self._counting(digest, now)
        if token is not None:
            self.note_use(token, now)
        return token

    def _counting(self, digest: bytes, now: datetime) -> Token | None:
        catalog = self.catalog()
        token = catalog.token(digest)
        if token is None or token.is_expired(now):
            return None
        analysis = token.rights.analysis
        known = analysis is None or (token.profile, analysis) in catalog.analyses
        return token if known else None
