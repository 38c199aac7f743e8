"""Sessions: those that are open, kept for the next mail of the same secret version."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.greeting import Opener
from keyrelay.dispatchers.smtp.session import SmtpSession
from keyrelay.dispatchers.smtp.slots import Slots
from keyrelay.model.outcome import Deferred, Rejected

_FAREWELL = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolKey:
    """Whose a session is. The TLS policy is the same for all of one dispatcher."""

    secret: str
    version: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _PooledSession:
    session: SmtpSession
    opened_at: datetime
    rests_since: datetime


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class _Room:
    """Where callers with one key meet; `opening` ends with what went wrong, if so."""

    seats: Slots
    opening: asyncio.Future[Deferred | Rejected | None] | None = None
    failures: list[Deferred | Rejected] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class SessionPool:
    """Lends sessions, none for another key than the one it was opened for."""

    opener: Opener
    now: Callable[[], datetime]
    # A room lives as long as somebody is in it.
    _rooms: WeakValueDictionary[PoolKey, _Room] = field(
        default_factory=WeakValueDictionary, init=False
    )
    # For each secret the newest key that was seen, and the sessions that rest.
    _shelves: dict[str, tuple[PoolKey, list[_PooledSession]]] = field(
        default_factory=dict, init=False
    )
    _sweeping: asyncio.TimerHandle | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    @asynccontextmanager
    async def lend(
        self, key: PoolKey, credentials: SmtpCredentials, *, fresh: bool = False
    ) -> AsyncIterator[SmtpSession | Deferred | Rejected]:
        """Lend a session (`fresh`: a new one), or give what stands in its way.

        The session is kept if the block ends without an exception, else cut off.
        """
        room = self._rooms.setdefault(
            key, _Room(seats=Slots(limits=self.opener.limits))
        )
        known = len(room.failures)
        if (crowded := await room.seats.take()) is not None:
            yield crowded
            return
        try:
            if room.failures[known:]:  # of those who had the seats meanwhile
                yield room.failures[-1]
                return
            if fresh:
                self._end(key.secret)
            kept = await self._find(key, room, credentials, fresh=fresh)
            if not isinstance(kept, _PooledSession):
                yield kept
                return
            with ExitStack() as unless_kept:
                unless_kept.callback(kept.session.abort)
                yield kept.session
                unless_kept.pop_all()
            self._keep(key, kept.session, kept.opened_at)
        finally:
            room.seats.give_back()

    async def close(self) -> None:
        """End all sessions that rest; those on loan end when they come back."""
        self._closed = True
        ended = [kept.session for _, shelf in self._shelves.values() for kept in shelf]
        for secret in list(self._shelves):
            self._end(secret)
        await asyncio.gather(*(session.gone(_FAREWELL) for session in ended))

    async def _find(
        self, key: PoolKey, room: _Room, credentials: SmtpCredentials, *, fresh: bool
    ) -> _PooledSession | Deferred | Rejected:
        while fresh or (kept := await self._rested(key)) is None:
            if room.opening is None:
                return await self._open(room, credentials)
            # One logs in at a time, and who waited shares a failure: a wrong
            # password is tried once, not once a lane, which would lock the account.
            failure = await asyncio.shield(room.opening)
            if failure is not None:
                return failure
        return kept

    async def _open(
        self, room: _Room, credentials: SmtpCredentials
    ) -> _PooledSession | Deferred | Rejected:
        failure: Deferred | Rejected | None = None
        opening = room.opening = asyncio.get_running_loop().create_future()
        try:
            opened = await self.opener.open(credentials)
            if not isinstance(opened, SmtpSession):
                failure = opened
                room.failures.append(opened)
                return opened
        finally:
            room.opening = None
            opening.set_result(failure)
        return _PooledSession(
            session=opened, opened_at=self.now(), rests_since=self.now()
        )

    async def _rested(self, key: PoolKey) -> _PooledSession | None:
        """Return a session that can begin an envelope, the last used first."""
        shelf = self._shelf(key)
        while shelf:
            kept = shelf.pop()
            rest = self.now() - kept.rests_since
            if self._has_served(kept):
                kept.session.quit()
            elif (
                kept.session.alive
                and rest <= self.opener.limits.reuse.probe_after
                and not kept.session.mid_envelope
            ) or await kept.session.probe():
                return kept
        return None

    def _keep(self, key: PoolKey, session: SmtpSession, opened_at: datetime) -> None:
        kept = _PooledSession(
            session=session, opened_at=opened_at, rests_since=self.now()
        )
        shelf = self._shelf(key)
        if shelf is None or self._closed or self._has_served(kept):
            session.quit()
        elif session.alive:
            shelf.append(kept)
            self._arm()

    def _shelf(self, key: PoolKey) -> list[_PooledSession] | None:
        """Return where `key` has its sessions, and end those of an older version.

        None, the key itself is of an older version: its sessions are not kept.
        """
        newest, _ = self._shelves.get(key.secret, (key, []))
        if newest.version > key.version:
            return None
        if newest != key:
            self._end(key.secret)
        return self._shelves.setdefault(key.secret, (key, []))[1]

    def _has_served(self, kept: _PooledSession) -> bool:
        reuse, now = self.opener.limits.reuse, self.now()
        return (
            kept.session.envelopes >= reuse.messages
            or now - kept.opened_at >= reuse.age
            or now - kept.rests_since >= reuse.idle
        )

    def _end(self, secret: str) -> None:
        _, shelf = self._shelves.pop(secret, (None, []))
        while shelf:
            shelf.pop().session.quit()

    def _arm(self) -> None:
        """One timer for all: a session that nobody asks for is ended, too."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(
                self.opener.limits.reuse.idle.total_seconds(), self._sweep
            )

    def _sweep(self) -> None:
        self._sweeping = None
        for secret, (_, shelf) in list(self._shelves.items()):
            for kept in [kept for kept in shelf if self._has_served(kept)]:
                shelf.remove(kept)
                kept.session.quit()
            if not shelf:
                del self._shelves[secret]
        if self._shelves:
            self._arm()
