"""Following: reads what is new, once for all that listen in this process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.concurrency.outage import Outage
from keyrelay.model.cursor import Cursor
from keyrelay.model.revision import Revision
from keyrelay.model.token import Token
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.services.events.consoles import Console, FollowedConsoles
from keyrelay.services.events.documents import Event, attempt_event, events_of
from keyrelay.services.events.listeners import Listener, Listeners
from keyrelay.stores.attempts import AttemptStore
from keyrelay.stores.audit.tail import AuditTail, Span
from keyrelay.stores.consoles import ConsoleStore
from keyrelay.stores.definitions.live_catalog import LiveCatalog

LOOK_EACH = timedelta(milliseconds=500)
_RESTS = 20  # times as long as a look took
_TOKENS_CHECKED_EACH = timedelta(milliseconds=200)
_MISSED_TOGETHER = 200  # attempts

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """How far chains and consoles were followed; no heads, nothing is listened to."""

    heads: dict[str, int] | None = None
    tokens: Mapping[str, Token] = field(default_factory=dict)
    tokens_of: Revision | None = None
    consoles: dict[Console, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events of all processes; nothing is read while none is listened to.

    `note_use` is told the tokens of those that listen, again and again.
    """

    tail: AuditTail
    catalog: LiveCatalog
    world: World
    listeners: Listeners
    note_use: Callable[[Token, datetime], None]
    _state: _Followed = field(default_factory=_Followed, init=False)

    async def listen(self, token: Token, channels: Collection[str]) -> Listener:
        """Return a listener, which is told all that comes from now on.

        It ends when its token no longer counts. Raises TooManyStreams, Unavailable, and
        NotFound for the console of an analysis that the profile has not.
        """
        self.listeners.require_room(token)
        consoles = await self._consoles.ends(token.profile, channels)
        if self._state.heads is None:
            async with self._state.lock:
                if self._state.heads is None:
                    self._state.heads = dict(await self.tail.heads())
        # No await from here on: a look forgets the consoles that none listens to.
        listener = self.listeners.add(token, channels)
        self._consoles.begin(consoles)
        return listener

    def leave(self, listener: Listener) -> None:
        self.listeners.remove(listener)
        if not self.listeners.wanted.is_set():
            self._state.heads = None  # the next one is told nothing of before

    async def missed(
        self, profile: str, place: Cursor
    ) -> AsyncIterator[Sequence[Event]]:
        """Yield the profile's attempts behind a place, oldest first.

        Raises Unavailable.
        """
        attempts = AttemptStore(database=self.tail.database)
        full = True
        while full:
            found = await attempts.behind(profile, place, _MISSED_TOGETHER)
            if found:
                place = Cursor(found[-1].at, found[-1].id)
                yield [*map(attempt_event, found)]
            full = len(found) == _MISSED_TOGETHER

    async def keep_telling(self) -> None:
        """Tell the listeners what is new, about twice a second."""
        outage = Outage(
            log=log, begun="events are not followed", over="events are followed again"
        )
        loop, wait = asyncio.get_running_loop(), LOOK_EACH
        while True:
            await self.listeners.wanted.wait()
            await self.world.sleep(wait)
            began = loop.time()
            async with self._state.lock:
                try:
                    await self._look()
                    await self._consoles.look()
                    outage.ended()
                except Unavailable as fault:
                    outage.failed(str(fault))
            wait = rest_after(timedelta(seconds=loop.time() - began))

    async def keep_checking(self) -> None:
        """End the listeners whose tokens were revoked, edited, or have expired."""
        while True:
            await self.listeners.wanted.wait()
            counting, now = self.counting(), self.world.now()
            for listener in self.listeners:
                token = listener.token
                if counting.get(token.id) != token or token.is_expired(now):
                    listener.end()
                else:
                    self.note_use(token, now)
            await self.world.sleep(_TOKENS_CHECKED_EACH)

    @property
    def _consoles(self) -> FollowedConsoles:
        return FollowedConsoles(
            store=ConsoleStore(database=self.tail.database),
            listeners=self.listeners,
            places=self._state.consoles,
        )

    async def _look(self) -> None:
        known = self._state.heads
        if known is None:
            return
        heads = await self.tail.heads()
        for chain, last in heads.items():
            while known.get(chain, 0) < last:
                span = Span(chain=chain, after=known.get(chain, 0), last=last)
                known[chain] = await self._tell(span)

    async def _tell(self, span: Span) -> int:
        found, reached = await self.tail.page(span, self.listeners.profiles)
        for record in found:
            if record.document is not None:
                for event in events_of(record.document):
                    self.listeners.tell(record.profile, event)
        return reached

    def counting(self) -> Mapping[str, Token]:
        """Return the tokens that count, by id; none, if it is not known which do."""
        state = self._state
        try:
            catalog = self.catalog.current()
        except Unavailable:
            return {}
        if catalog.revision != state.tokens_of:
            known = (each.token for each in catalog.tokens.values())
            state.tokens = {token.id: token for token in known}
            state.tokens_of = catalog.revision
        return state.tokens


def rest_after(look: timedelta) -> timedelta:
    """Return how long to wait for the next look: longer, where one takes long.

    It does with very many chains, and with very much to tell.
    """
    return max(LOOK_EACH, _RESTS * look)
