"""Sessions: whose browser is signed in, as a cookie and a row say together.

    cookie = id "." began "." digest "." operator "." MAC

with `began` in seconds since 1970, and the digests of tokens in hexadecimal digits. It
is signed (services/signing.py), so that no row that was altered makes one session
another's. It counts while its row is there, its token counts, and its times are not up.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from keyrelay.model.session import ConsoleSession
from keyrelay.model.token import Token
from keyrelay.services.authenticating import Authenticating
from keyrelay.services.signing import Signing
from keyrelay.stores.sessions import SessionStore
from keyrelay.vault.vault import Vault

_LABEL = "console-sessions"
_FORMS = "console-forms"
_ID_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session that counts, and its tokens as they stand now."""

    session: ConsoleSession
    token: Token
    operator: Token | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Each method raises Unavailable while vault or database are away."""

    vault: Vault
    store: SessionStore
    authenticating: Authenticating
    now: Callable[[], datetime]

    async def begin(self, token: Token, plaintext: str) -> str:
        """Begin a session of this token, which counts; return its cookie."""
        session = ConsoleSession(
            id=secrets.token_hex(_ID_BYTES),
            digest=await self.authenticating.digest(plaintext),
            operator=None,
            began_at=self.now().replace(microsecond=0),
        )
        await self.store.open(session, token.id)
        return await self._cookie(session)

    async def with_operator(self, session: ConsoleSession, plaintext: str) -> str:
        """Return the cookie of the session, with this operator token added to it."""
        return await self._cookie(
            ConsoleSession(
                id=session.id,
                digest=session.digest,
                operator=await self.authenticating.digest(plaintext),
                began_at=session.began_at,
            )
        )

    async def resume(self, cookie: str) -> SignedIn | None:
        """Return whose session this is; None, it is none that counts."""
        words = await self._signing(_LABEL).read(cookie)
        if words is None:
            return None
        session, now = _session_of(*words), self.now()
        seen_at = await self.store.seen_at(session.id)
        if seen_at is None or session.has_ended(seen_at, now):
            return None
        token = await self.authenticating.known(session.digest)
        if token is None:
            return None
        await self.store.note(session.id, seen_at, now)
        added = session.operator
        operator = None if added is None else await self.authenticating.known(added)
        return SignedIn(session=session, token=token, operator=operator)

    async def goes_on(self, session: ConsoleSession) -> bool:
        """Tell whether the session was not ended; to ask is no visit."""
        seen_at = await self.store.seen_at(session.id)
        return seen_at is not None and not session.has_ended(seen_at, self.now())

    async def form_token(self, session: ConsoleSession) -> str:
        """Return what each form of the session carries, and no other site can."""
        return await self._signing(_FORMS).sign([session.id])

    async def is_form_token(self, session: ConsoleSession, text: str) -> bool:
        return await self._signing(_FORMS).read(text) == [session.id]

    async def end(self, session: ConsoleSession) -> None:
        await self.store.end(session.id)

    async def end_all(self, token: Token) -> None:
        """End each session of the token, in whichever browser it is."""
        await self.store.end_all(token.id)

    async def _cookie(self, session: ConsoleSession) -> str:
        began = str(int(session.began_at.timestamp()))
        added = "" if session.operator is None else session.operator.hex()
        words = (session.id, began, session.digest.hex(), added)
        return await self._signing(_LABEL).sign(words)

    def _signing(self, label: str) -> Signing:
        return Signing(vault=self.vault, label=label)


def _session_of(id_: str, began: str, digest: str, added: str) -> ConsoleSession:
    return ConsoleSession(
        id=id_,
        digest=bytes.fromhex(digest),
        operator=bytes.fromhex(added) if added else None,
        began_at=datetime.fromtimestamp(int(began), UTC),
    )
