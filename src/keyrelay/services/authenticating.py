"""Authenticating: which token a program has shown, if it is one that counts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.catalog import Catalog
from keyrelay.model.token import Token


def _ignore(_: Token, __: datetime) -> None:
    """Note nothing."""


async def _none(_: str) -> None:
    """Know no run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticating:
    """`digest` returns that of any text, as stores/definitions/token_rows.py does.

    `refresh` brings the catalog up to date, where the database can be read: as it is
    awaited for each token that does not count, it gathers those that come together.
    `note_use` is told each token that was taken, and when; it waits for nothing.
    `of_run` returns the token of a run, of which no row is kept.
    """

    catalog: Callable[[], Catalog]
    refresh: Callable[[], Awaitable[object]]
    digest: Callable[[str], Awaitable[bytes]]
    now: Callable[[], datetime]
    note_use: Callable[[Token, datetime], None] = _ignore
    of_run: Callable[[str], Awaitable[Token | None]] = _none

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
            run = await self.of_run(given)
            if run is not None and self._has_analysis(run):
                return run
            # It may have been made a moment ago, by another process; so may the
            # analysis of the run.
            await self.refresh()
            if run is not None and self._has_analysis(run):
                return run
            token = self._counting(digest, now)
        if token is not None:
            self.note_use(token, now)
        return token

    async def known(self, digest: bytes) -> Token | None:
        """Return the token of this digest; None, it is none that counts any more.

        Raises Unavailable as `authenticate` does.
        """
        now = self.now()
        token = self._counting(digest, now)
        if token is None:  # another process may have made it a moment ago
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
        return token if self._has_analysis(token) else None

    def _has_analysis(self, token: Token) -> bool:
        analysis = token.rights.analysis
        analyses = self.catalog().analyses
        return analysis is None or (token.profile, analysis) in analyses
