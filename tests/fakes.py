"""Fakes: parts of the world that tests hold in their hands.

The fake queue is not here: it is as long as a real one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from keyrelay.dispatchers.script.asking import RunAsking
from keyrelay.dispatchers.smtp.action import Mail
from keyrelay.dispatchers.sqs.instruction import QueueMessages
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.pipeline import Performers
from keyrelay.model.action import Message
from keyrelay.model.audit import AttemptRecord, AuditRecord
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import LEASE_LOST, Deferred, Delivered, Outcome
from keyrelay.model.policy.policy import Permit
from keyrelay.model.recorded import CutLeases, RecordedAttempt
from keyrelay.model.run import RunOrder
from keyrelay.model.secret import OpenedSecret, SealedSecret, Secret, SecretValue
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.model.world import World
from keyrelay.ports import Dispatcher, StillHeld, Unavailable, Unsealable

M = TypeVar("M", Mail, QueueMessages)
T = TypeVar("T")

Pass = Callable[[float], None]  # makes seconds pass for the event loop


async def settled() -> None:
    """Return once every timer whose time has come has fired."""
    loop, fired = asyncio.get_running_loop(), asyncio.Event()
    loop.call_at(loop.time(), fired.set)  # timers fire in the order of their times
    await fired.wait()


def stay() -> None:
    """Leave no lane (ports.LeaveLane): there is none."""


async def begun(work: Coroutine[object, object, T]) -> asyncio.Task[T]:
    """Return a task of this work, which has begun and waits for something."""
    begins = asyncio.Event()

    async def run() -> T:
        begins.set()
        return await work

    task = asyncio.create_task(run())
    await begins.wait()
    return task


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """A task's wait for time to pass."""

    time: timedelta
    ends_at: datetime
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def is_over(self, now: datetime) -> bool:
        return self.ends_at <= now


@dataclass(kw_only=True)
class Clock:
    """Time that stands still until the test moves it."""

    time: datetime
    chance: float = 0.5
    _sleeps: dict[asyncio.Task[object], Sleep] = field(default_factory=dict)
    _next_sleep: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, time: timedelta) -> None:
        task = asyncio.current_task()
        assert task is not None
        sleep = self._sleeps[task] = Sleep(time=time, ends_at=self.time + time)
        self._next_sleep.set()
        self._next_sleep = asyncio.Event()
        try:
            await sleep.over.wait()
        finally:
            self._sleeps.pop(task, None)

    def next_sleep(self) -> asyncio.Event:
        """Return an event that is set once any task falls asleep from now on."""
        return self._next_sleep

    async def until_asleep(self, time: timedelta | None = None) -> None:
        """Return once a task sleeps, for this time if one is given."""
        while not any(time in (None, each.time) for each in self._sleeps.values()):
            await self._next_sleep.wait()

    def advance(self, by: timedelta) -> Sequence[asyncio.Task[object]]:
        """Move on; return the tasks that this wakes."""
        self.time += by
        woken = [task for task, each in self._sleeps.items() if each.is_over(self.time)]
        for task in woken:
            self._sleeps.pop(task).over.set()
        return woken

    async def pass_time(self, by: timedelta) -> None:
        """Move on; return once each task that this woke sleeps again or has ended."""
        for task in self.advance(by):
            while task not in self._sleeps and not task.done():
                asleep = asyncio.create_task(self._next_sleep.wait())
                await asyncio.wait([task, asleep], return_when=asyncio.FIRST_COMPLETED)
                asleep.cancel()

    def world(self) -> World:
        return World(
            now=self.now,
            chance=lambda: self.chance,
            new_id=lambda _: "9" * 24,
            sleep=self.sleep,
        )


def admitting(breaker: Breaker) -> Callable[[Secret], Awaitable[Deferred | None]]:
    """Return the breaker's answers, of a worker that is alone."""

    async def admit(secret: Secret) -> Deferred | None:
        return breaker.admit(secret)

    return admit


@dataclass
class FakeRuns:
    """Keeps what actions of type `script` ask for, unless it is `broken`."""

    kept: dict[str, RunOrder] = field(default_factory=dict)
    broken: Unavailable | None = None

    async def keep(self, orders: Sequence[RunOrder]) -> None:
        if self.broken is not None:
            raise self.broken
        for order in orders:
            self.kept.setdefault(order.id, order)


def performers(
    dispatchers: Mapping[str, Dispatcher], runs: FakeRuns | None = None
) -> Performers:
    keep = (runs or FakeRuns()).keep
    asking = RunAsking(keep=keep, now=lambda: datetime(2030, 1, 1, 13, tzinfo=UTC))
    return Performers(dispatchers=dispatchers, runs=asking)


@dataclass
class Story:
    """What happened, in order."""

    events: list[str] = field(default_factory=list)

    def tell(self, event: str) -> None:
        self.events.append(event)


@dataclass
class FakeVault:
    """Opens what it has been given, unless it is `broken`."""

    values: Mapping[str, str]
    broken: Unavailable | Unsealable | None = None
    permits: list[Permit] = field(default_factory=list)

    async def open(self, permit: Permit) -> OpenedSecret:
        self.permits.append(permit)
        if self.broken is not None:
            raise self.broken
        secret = permit.sealed.secret
        return OpenedSecret(secret=secret, value=SecretValue(self.values[secret.id]))

    async def verify(self, _: SealedSecret) -> None:
        if self.broken is not None:
            raise self.broken


@dataclass
class Outbox(Generic[M]):
    """A dispatcher that keeps what it was to send, and answers as it is told."""

    kind: type[M]
    answer: Callable[[], Outcome] = lambda: Delivered("taken")
    sent: list[M] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        assert isinstance(message, self.kind)
        if still_held is not None and not await still_held():
            return LEASE_LOST
        self.sent.append(message)
        self.passwords.append(secret.value.reveal())
        return self.answer()


@dataclass
class FakeAuditLog:
    """While `down` it refuses each record; `refused` is what it has refused."""

    story: Story
    down: bool = False
    refused: asyncio.Queue[AuditRecord] = field(default_factory=asyncio.Queue)
    records: list[AttemptRecord] = field(default_factory=list)
    history: list[RecordedAttempt] = field(default_factory=list)

    async def append(self, record: AuditRecord) -> None:
        assert isinstance(record, AttemptRecord)
        if self.down:
            self.refused.put_nowait(record)
            raise Unavailable("the audit log does not answer")
        self.story.tell(f"record {record.attempt.trigger}")
        self.records.append(record)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        if self.down:
            raise Unavailable("the audit log does not answer")
        self.story.tell(f"ask about {trigger}")
        return [each for each in self.history if each.started_at >= since]


@dataclass
class FakeDeadLetters:
    story: Story
    down: bool = False
    letters: list[DeadLetter] = field(default_factory=list)

    async def bury(self, letter: DeadLetter) -> None:
        if self.down:
            raise Unavailable("the dead letters do not answer")
        self.story.tell(f"bury {letter.trigger.id}")
        self.letters.append(letter)


@dataclass(kw_only=True)
class FakeLease:
    """A lease that belongs to no queue; it keeps what it was settled with."""

    trigger: Trigger
    story: Story = field(default_factory=Story)
    number: int = 1
    repeats: bool = False
    unsettled: CutLeases | None = None
    done: frozenset[str] = frozenset()
    held: bool = True
    down: bool = False
    settlements: list[Settlement] = field(default_factory=list)

    async def still_held(self) -> bool:
        return self.held

    async def settle(self, settlement: Settlement) -> None:
        if self.down:
            raise Unavailable("the queue does not answer")
        self.story.tell(f"settle {self.trigger.id}")
        self.settlements.append(settlement)


@dataclass
class SlowInbox:
    """An inbox that answers when it is told to, the newest first."""

    asked: list[tuple[str, asyncio.Future[bool]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    most: int = 0

    async def accept(self, trigger: Trigger) -> bool:
        return await self._ask(trigger)

    async def accept_all(self, triggers: Sequence[Trigger]) -> Sequence[bool]:
        return [await answer for answer in [*map(self._ask, triggers)]]

    async def redrive(self, _: DeadLetter) -> bool:
        raise NotImplementedError

    async def until_asked(self, count: int) -> None:
        while len(self.asked) < count:
            self.arrived.clear()
            await self.arrived.wait()

    def answer(self) -> None:
        for _, answer in reversed(self.asked):
            answer.set_result(True)
        self.asked.clear()

    def _ask(self, trigger: Trigger) -> asyncio.Future[bool]:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.asked.append((trigger.id, answer))
        self.most = max(self.most, len(self.asked))
        self.arrived.set()
        return answer

    def refuse_the_first(self) -> None:
        _, answer = self.asked.pop(0)
        answer.set_exception(Unavailable("the disk is full; make room"))
