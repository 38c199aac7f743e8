"""Pool: open SMTP sessions, kept for the next mail of the same version of a secret."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.opener import SessionOpener
from keyrelay.dispatchers.smtp.session import SmtpSession
from keyrelay.dispatchers.smtp.slots import Slots
from keyrelay.model.outcome import Deferred, Rejected

_QUIT_WAIT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """What a session belongs to. The TLS policy is the same for one whole pool."""

    secret: str
    version: int
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _PooledSession:
    session: SmtpSession
    opened_at: datetime
    idle_since: datetime


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class _SharedState:
    """What the callers with one key share.

    `opening` is set while a session is being opened, and ends with the failure, if
    there was one; `failed` is how often it was one, and `failure` the last.
    """

    slots: Slots
    opening: asyncio.Future[Deferred | Rejected | None] | None = None
    failed: int = 0
    failure: Deferred | Rejected | None = None


@dataclass(slots=True, kw_only=True)
class SessionPool:
    """Each session is used only for the key that it was opened for, one mail at a time.

    `now` returns the time, as an aware datetime.
    """

    opener: SessionOpener
    now: Callable[[], datetime]
    # An entry is dropped when its last caller has left.
    _shared: WeakValueDictionary[SessionKey, _SharedState] = field(
        default_factory=WeakValueDictionary, init=False
    )
    # By secret: the newest key that was seen, and its idle sessions.
    _idle: dict[str, tuple[SessionKey, list[_PooledSession]]] = field(
        default_factory=dict, init=False
    )
    _sweeping: asyncio.TimerHandle | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    @asynccontextmanager
    async def acquire(
        self, key: SessionKey, credentials: SmtpCredentials, *, fresh: bool = False
    ) -> AsyncIterator[SmtpSession | Deferred | Rejected]:
        """Give a session for the block, or the outcome of the attempt without one.

        A `fresh` session is a new one. The session is kept if the block ends without
        an exception, and aborted otherwise.
        """
        limits = self.opener.limits.slots
        shared = self._shared.setdefault(key, _SharedState(slots=Slots(limits=limits)))
        known = shared.failed
        if (no_slot := await shared.slots.acquire()) is not None:
            yield no_slot
            return
        try:
            failure = shared.failure
            if failure is not None and shared.failed > known:
                yield failure  # of a caller that held the slot meanwhile
                return
            if fresh:
                self._end_idle(key.secret)
            found = await self._find(key, shared, credentials, fresh=fresh)
            if not isinstance(found, _PooledSession):
                yield found
                return
            with self._returning(key, found):
                yield found.session
        finally:
            shared.slots.release()

    async def close(self) -> None:
        """End all idle sessions; those in use end when their block ends."""
        self._closed = True
        idle = [pooled.session for _, all_ in self._idle.values() for pooled in all_]
        for secret in list(self._idle):
            self._end_idle(secret)
        await asyncio.gather(*(session.wait_closed(_QUIT_WAIT) for session in idle))

    @contextmanager
    def _returning(self, key: SessionKey, pooled: _PooledSession) -> Iterator[None]:
        with ExitStack() as unless_kept:
            unless_kept.callback(pooled.session.abort)
            yield
            unless_kept.pop_all()
        self._keep(key, replace(pooled, idle_since=self.now()))

    async def _find(
        self,
        key: SessionKey,
        shared: _SharedState,
        credentials: SmtpCredentials,
        *,
        fresh: bool,
    ) -> _PooledSession | Deferred | Rejected:
        while fresh or (pooled := await self._take_idle(key)) is None:
            if shared.opening is None:
                return await self._open(shared, credentials)
            # One caller logs in at a time, and those that wait share its failure: a
            # wrong password is tried once and not once in each lane, which would lock
            # the account.
            failure = await asyncio.shield(shared.opening)
            if failure is not None:
                return failure
        return pooled

    async def _open(
        self, shared: _SharedState, credentials: SmtpCredentials
    ) -> _PooledSession | Deferred | Rejected:
        failure: Deferred | Rejected | None = None
        opening = shared.opening = asyncio.get_running_loop().create_future()
        try:
            opened = await self.opener.open(credentials)
            if not isinstance(opened, SmtpSession):
                failure = opened
                shared.failed, shared.failure = shared.failed + 1, opened
                return opened
        finally:
            shared.opening = None
            opening.set_result(failure)
        return _PooledSession(
            session=opened, opened_at=self.now(), idle_since=self.now()
        )

    async def _take_idle(self, key: SessionKey) -> _PooledSession | None:
        """Return a session that can begin a transaction, the last used first."""
        idle = self._idle_of(key)
        while idle:
            pooled = idle.pop()
            session, idle_for = pooled.session, self.now() - pooled.idle_since
            if self._has_expired(pooled):
                session.quit()
            elif (
                session.alive
                and idle_for <= self.opener.limits.reuse.probe_after
                and not session.in_transaction
            ) or await session.probe():
                return pooled
        return None

    def _keep(self, key: SessionKey, pooled: _PooledSession) -> None:
        idle = self._idle_of(key)
        if idle is None or self._closed or self._has_expired(pooled):
            pooled.session.quit()
        elif pooled.session.alive:
            idle.append(pooled)
            self._schedule_sweep()

    def _idle_of(self, key: SessionKey) -> list[_PooledSession] | None:
        """Return the key's idle sessions, and end those of an older version.

        None: the key itself is of an older version, and its sessions are not kept.
        """
        newest, _ = self._idle.get(key.secret, (key, []))
        if newest.version > key.version:
            return None
        if newest != key:
            self._end_idle(key.secret)
        return self._idle.setdefault(key.secret, (key, []))[1]

    def _has_expired(self, pooled: _PooledSession) -> bool:
        reuse, now = self.opener.limits.reuse, self.now()
        return (
            pooled.session.transactions >= reuse.mails
            or now - pooled.opened_at >= reuse.age
            or now - pooled.idle_since >= reuse.idle
        )

    def _end_idle(self, secret: str) -> None:
        _, idle = self._idle.pop(secret, (None, []))
        while idle:
            idle.pop().session.quit()

    def _schedule_sweep(self) -> None:
        """Keep one timer for all sessions: those never asked for end as well."""
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(
                self.opener.limits.reuse.idle.total_seconds(), self._sweep
            )

    def _sweep(self) -> None:
        self._sweeping = None
        for secret, (_, idle) in list(self._idle.items()):
            for pooled in [pooled for pooled in idle if self._has_expired(pooled)]:
                idle.remove(pooled)
                pooled.session.quit()
            if not idle:
                del self._idle[secret]
        if self._idle:
            self._schedule_sweep()
