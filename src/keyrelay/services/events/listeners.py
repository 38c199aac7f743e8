"""Listeners: those that are told of events, how many there may be, what each holds."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from keyrelay.model.token import Token
from keyrelay.services.events.documents import Event

MOST_WAITING = 256 * 1024  # bytes of events that one listener has not taken


class TooManyStreams(Exception):
    """The message says which are too many, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How many streams a process has: all together, of a profile, and of a token."""

    in_all: int
    of_a_profile: int
    of_a_token: int = 10


class Handed(Enum):
    """What became of an event that was handed to a listener."""

    WRITTEN = auto()  # the system has all of it, to be sent
    BROKEN = auto()  # a part of it, or all, may have been sent
    UNTOUCHED = auto()  # nothing of it was


@dataclass(slots=True)
class _Untaken:
    """What a listener has not taken, and how many bytes of it count."""

    events: list[Event] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class _HandedOne:
    """What becomes of the event that is handed to a listener, one at a time."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    state: Handed = Handed.UNTOUCHED
    settled: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False, kw_only=True)
class Listener:
    """Is told the events of some channels in the profile of a token, until it ends."""

    token: Token
    channels: Collection[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _waiting: _Untaken = field(default_factory=_Untaken, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _handing: _HandedOne = field(default_factory=_HandedOne, init=False)

    @property
    def is_busy(self) -> bool:
        """Whether an event is being handed to it."""
        return self._handing.turn.locked()

    def tell(self, event: Event) -> None:
        """Keep the event for it; one that takes too few ends, and holds nothing."""
        if self.ended.is_set() or event.channel not in self.channels:
            return
        self._waiting.size += len(event.data)
        if self._waiting.size > MOST_WAITING:
            self.end()
            return
        self._waiting.events.append(event)
        self._woken.set()

    def end(self) -> None:
        """Tell it nothing more, not even what it has not taken yet."""
        self._waiting = _Untaken()
        self.ended.set()
        self._woken.set()
        self._handing.settled.set()

    async def take(self, within: timedelta) -> Sequence[Event] | None:
        """Return the next events, none if there are none in time; None, it ended."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return ()
        if self.ended.is_set():
            return None
        self._woken.clear()
        taken, self._waiting = self._waiting.events, _Untaken()
        self._handing.state = Handed.BROKEN  # until it is written
        return taken

    def written(self) -> None:
        """All that it has taken is written."""
        if self._handing.state is Handed.BROKEN:
            self._handing.state = Handed.WRITTEN
            self._handing.settled.set()

    async def hand(self, event: Event, within: timedelta) -> Handed:
        """Tell it the event, of any size; return once it is written, or will not be.

        One that is not written in time ends it. Another one waits for its turn.
        """
        handing = self._handing
        async with handing.turn:
            if self.ended.is_set():
                return Handed.UNTOUCHED
            handing.state = Handed.UNTOUCHED
            handing.settled.clear()
            self._waiting.events.append(event)
            self._woken.set()
            try:
                async with asyncio.timeout(within.total_seconds()):
                    await handing.settled.wait()
            except TimeoutError:
                self.end()
            return handing.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Those of one process; `wanted` is set while there are any."""

    limits: StreamLimits
    wanted: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _all: dict[str, list[Listener]] = field(default_factory=dict, init=False)
    _of_tokens: Counter[str] = field(default_factory=Counter, init=False)

    def __iter__(self) -> Iterator[Listener]:
        return iter([each for of_one in self._all.values() for each in of_one])

    @property
    def profiles(self) -> Sequence[str]:
        """The profiles that any of them listens to, sorted."""
        return sorted(self._all)

    def count(self) -> int:
        """Return how many there are."""
        return self._of_tokens.total()

    def require_room(self, token: Token) -> None:
        """Raise TooManyStreams, if there is none for another one of the token."""
        most = self.limits.of_a_token
        if self._of_tokens[token.id] >= most:
            raise TooManyStreams(
                f"this token has {most} event streams already: close one, or name"
                " several channels in one stream"
            )
        if len(self._all.get(token.profile, ())) >= self.limits.of_a_profile:
            raise TooManyStreams(
                "this profile has as many event streams as it may: close some"
            )
        if self.count() >= self.limits.in_all:
            raise TooManyStreams(
                "this process has as many event streams as it may: try again later"
            )

    def add(self, token: Token, channels: Collection[str]) -> Listener:
        """Return a new one, to be removed at its end. Raises TooManyStreams."""
        self.require_room(token)
        listener = Listener(token=token, channels=channels)
        self._all.setdefault(token.profile, []).append(listener)
        self._of_tokens[token.id] += 1
        self.wanted.set()
        return listener

    def remove(self, listener: Listener) -> None:
        token = listener.token
        self._all[token.profile].remove(listener)
        if not self._all[token.profile]:
            del self._all[token.profile]
        self._of_tokens[token.id] -= 1
        if not self._of_tokens[token.id]:
            del self._of_tokens[token.id]
        if not self._all:
            self.wanted.clear()

    def tell(self, profile: str, event: Event) -> None:
        """Tell those of the profile, and no others."""
        for listener in self._all.get(profile, ()):
            listener.tell(event)
