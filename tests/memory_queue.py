"""Memory queue: ports.Inbox, Queue, Waker and Backlog in as few lines as possible."""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from weakref import ref

from keyrelay.model.backlog import (
    Depth,
    Lag,
    QueueStatus,
    ReadingLosses,
    TriggerState,
    TriggerWait,
)
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.ids import Beginnings
from keyrelay.model.recorded import CutLeases
from keyrelay.model.revision import no_revision
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import RevisionNow
from tests.samples import published_by

LEASE = timedelta(seconds=30)
REMEMBERED = timedelta(days=7)


@dataclass(slots=True, eq=False)
class Row:
    """One trigger that was accepted; `holder` is its last lease, perhaps expired."""

    trigger: Trigger
    due: datetime
    accepted_at: datetime
    done: frozenset[str] = frozenset()
    attempts: int = 0
    cut: bool = False
    waits_for: str | None = None
    settlement: Settlement | None = None
    settled_at: datetime | None = None
    holder: "ref[MemoryLease] | None" = None

    def is_held(self) -> bool:
        lease = self.holder() if self.holder else None
        return lease is not None and not lease.queue.closed


@dataclass(slots=True)
class Storage:
    """What outlives a queue that is closed, as a file does."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    wakes: dict[str, int] = field(default_factory=dict)
    order: Iterator[int] = field(default_factory=itertools.count)

    def announce(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def is_first_of_key(self, row: Row) -> bool:
        key = (row.trigger.profile, row.trigger.key)
        others = (
            other
            for other in self.rows.values()
            if (other.trigger.profile, other.trigger.key) == key
            and other.settlement is None
        )
        return row.trigger.key is None or next(others) is row


@dataclass(slots=True, eq=False, weakref_slot=True)
class MemoryLease:
    queue: "MemoryQueue"
    row: Row
    trigger: Trigger
    number: int
    unsettled: CutLeases | None
    done: frozenset[str]
    order: int

    @property
    def repeats(self) -> bool:
        return self.unsettled is not None

    async def still_held(self) -> bool:
        return self.row.holder is not None and self.row.holder() is self

    async def settle(self, settlement: Settlement) -> None:
        row, now = self.row, self.queue.world.now()
        if row.holder is None or row.holder() is not self:
            return
        row.holder = None
        match settlement:
            case Done() | Bury():
                row.settlement, row.settled_at = settlement, now
            case TryAgain():
                again = self._after_wakes(settlement)
                row.due = now + again.after
                row.done = again.done
                row.waits_for = again.waits_for
                row.attempts -= 0 if again.spent else 1
            case _:
                assert_never(settlement)
        self.queue.storage.announce()

    def _after_wakes(self, again: TryAgain) -> TryAgain:
        if self.queue.storage.wakes.get(again.waits_for or "", -1) > self.order:
            return replace(again, after=timedelta(), waits_for=None)
        return again


@dataclass(slots=True, kw_only=True)
class MemoryQueue:
    """With `ordered`, triggers of one key are lent one at a time."""

    world: World
    storage: Storage
    ordered: bool = False
    drain: bool = False
    closed: bool = False
    revision: RevisionNow = no_revision

    async def accept(self, trigger: Trigger) -> bool:
        self._forget()
        now, trigger = self.world.now(), trigger.under(await self.revision())
        return self._put(Row(trigger=trigger, due=now, accepted_at=now))

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return [await self.accept(each) for each in triggers]

    async def redrive(self, letter: DeadLetter) -> bool:
        self._forget()
        trigger = letter.redriven(self.world.now()).under(await self.revision())
        known = self.storage.rows.get((trigger.profile, trigger.id))
        if known is not None and isinstance(known.settlement, Bury):
            if (publisher := known.trigger.lifetime.publisher) is not None:
                trigger = published_by(publisher, trigger)
            del self.storage.rows[trigger.profile, trigger.id]
        now, done = self.world.now(), letter.settlement.done
        return self._put(Row(trigger=trigger, due=now, accepted_at=now, done=done))

    async def lease(self, until: asyncio.Event) -> MemoryLease | None:
        while not until.is_set():
            changed, row = self.storage.changed, self._first_due()
            if row is not None:
                return self._lend(row)
            if self.drain and not any(r.holder for r in self.storage.rows.values()):
                return None
            await self._wait(changed, until)
        return None

    async def wake(self, secret: str) -> None:
        self.storage.wakes[secret] = next(self.storage.order)
        for row in self.storage.rows.values():
            if row.waits_for == secret:
                row.due, row.waits_for = self.world.now(), None
        self.storage.announce()

    async def wake_all(self) -> None:
        for row in self.storage.rows.values():
            if row.waits_for is not None:
                row.due, row.waits_for = self.world.now(), None
        self.storage.announce()

    async def status(self, profile: str, id_: str) -> QueueStatus | None:
        row = self.storage.rows.get((profile, id_))
        if row is None:
            return None
        return QueueStatus(
            state=self._state(row),
            attempts=row.attempts,
            accepted_at=row.trigger.lifetime.raised_at,
            wait=TriggerWait(due=row.due if row.settlement is None else None),
            settled_at=row.settled_at,
        )

    async def publisher(self, profile: str, id_: str) -> str | None:
        row = self.storage.rows.get((profile, id_))
        return None if row is None else row.trigger.lifetime.publisher

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        ids = sorted(id_ for of, id_ in self.storage.rows if of == profile)
        return [i for i in ids if i.startswith(tuple(sought.texts))][: sought.most]

    async def unread(self) -> int:
        return 0

    async def depth(self) -> Depth:
        now = self.world.now()
        states = [self._state(row) for row in self.storage.rows.values()]
        due = [r.due for r in self.storage.rows.values() if r.due <= now]
        return Depth(
            waiting=states.count(TriggerState.WAITING),
            due=len(due),
            leased=states.count(TriggerState.LEASED),
            age=now - min(due, default=now),
        )

    @property
    def losses(self) -> ReadingLosses:
        return ReadingLosses()

    async def lags(self) -> Sequence[Lag]:
        depth = await self.depth()
        return (Lag(topic="queue", waiting=depth.due, age=depth.age),)

    def _state(self, row: Row) -> TriggerState:
        match row.settlement:
            case Done():
                return TriggerState.DONE
            case Bury():
                return TriggerState.BURIED
            case _:
                return TriggerState.LEASED if row.is_held() else TriggerState.WAITING

    def _put(self, row: Row) -> bool:
        key = (row.trigger.profile, row.trigger.id)
        kept = self.storage.rows.setdefault(key, row)
        self.storage.announce()
        return kept is row

    def _first_due(self) -> Row | None:
        now = self.world.now()
        due = (
            row
            for row in self.storage.rows.values()
            if row.settlement is None and row.due <= now and not row.is_held()
            if not self.ordered or self.storage.is_first_of_key(row)
        )
        return min(due, key=lambda row: row.due, default=None)

    def _lend(self, row: Row) -> MemoryLease:
        follows_cut = row.holder is not None
        row.cut = row.cut or follows_cut
        row.attempts += 1
        row.due, row.waits_for = self.world.now() + LEASE, None
        lease = MemoryLease(
            queue=self,
            row=row,
            trigger=row.trigger.dated(row.accepted_at),
            number=row.attempts,
            unsettled=(
                CutLeases(since=row.accepted_at, is_last=follows_cut)
                if row.cut
                else None
            ),
            done=row.done,
            order=next(self.storage.order),
        )
        row.holder = ref(lease)
        return lease

    async def _wait(self, changed: asyncio.Event, until: asyncio.Event) -> None:
        now = self.world.now()
        due = [row.due for row in self.storage.rows.values() if row.settlement is None]
        due = [instant for instant in due if instant > now] or [now + LEASE]
        waits = [
            asyncio.ensure_future(wait)
            for wait in (changed.wait(), until.wait(), self.world.sleep(min(due) - now))
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _forget(self) -> None:
        old = self.world.now() - REMEMBERED
        for key, row in list(self.storage.rows.items()):
            if row.settled_at is not None and row.settled_at < old:
                del self.storage.rows[key]
