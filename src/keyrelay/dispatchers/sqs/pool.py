"""Lines: queues as one version of a secret reaches them, kept open for a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.concurrency.batching import Batch
from keyrelay.dispatchers.sqs.action import QueueMessage
from keyrelay.dispatchers.sqs.batches import (
    LARGEST,
    MOST,
    SMALLEST_LIMIT,
    prepare,
    too_large,
)
from keyrelay.dispatchers.sqs.calls import Calls, QueueClient, Sending
from keyrelay.dispatchers.sqs.credentials import SqsCredentials
from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.wire import Unanswered, Unsent
from keyrelay.model.outcome import Outcome, Rejected
from keyrelay.model.secret import Secret

_AT_ONCE = 4  # calls; a lost one holds back a quarter of the line, not all of it

Key = tuple[str, int, str]  # secret, version, queue


@dataclass(slots=True)
class Line:
    """Concurrent callers' messages for one queue go out in calls of up to ten."""

    queue: QueueUrl
    client: QueueClient
    batch: Batch[Sending, Outcome]
    _largest: int | None = None
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, message: QueueMessage, credentials: SqsCredentials) -> Outcome:
        entry = prepare(message, fifo=self.queue.fifo)
        if isinstance(entry, Rejected):
            return entry
        if entry.size > SMALLEST_LIMIT:
            refused = too_large(entry, await self._limit(credentials))
            if refused is not None:
                return refused
        return await self.batch.submit(Sending(entry, credentials))

    async def close(self) -> None:
        await self.batch.close()
        await self.client.close()

    async def _limit(self, credentials: SqsCredentials) -> int:
        async with self._reading:
            if self._largest is None:
                self._largest = await self._read_limit(credentials)
        return self._largest or LARGEST

    async def _read_limit(self, credentials: SqsCredentials) -> int | None:
        try:
            limit = await self.client.largest_message(credentials)
        except (Unsent, Unanswered):
            return None  # the next message asks again
        return min(limit or LARGEST, LARGEST)


@dataclass(slots=True)
class _PooledClient:
    line: Line
    used_at: datetime
    users: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPool:
    """Opens lines and closes those that nobody has used for `idle`, or all but `most`.

    An idle one holds neither key nor connection, so none is closed before another
    takes its place; one in use never is.
    """

    make: Callable[[QueueUrl], Awaitable[QueueClient]]
    now: Callable[[], datetime]
    most: int = 64
    idle: timedelta = timedelta(minutes=5)
    _kept: dict[Key, _PooledClient] = field(default_factory=dict, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def borrow(self, secret: Secret, queue: QueueUrl) -> AsyncIterator[Line]:
        kept = await self._taken((secret.id, secret.version, queue.url), queue)
        try:
            yield kept.line
        finally:
            kept.users -= 1
            kept.used_at = self.now()

    async def close(self) -> None:
        """Wait for what is under way and close; borrow nothing afterwards."""
        async with self._turn:
            while self._kept:
                _, kept = self._kept.popitem()
                await kept.line.close()

    async def _taken(self, key: Key, queue: QueueUrl) -> _PooledClient:
        async with self._turn:
            kept = self._kept.get(key)
            if kept is None:
                await self._make_room()
                kept = self._kept[key] = await self._open(queue)
            # Counted before anybody else has a turn, so that nobody closes it.
            kept.users += 1
        return kept

    async def _open(self, queue: QueueUrl) -> _PooledClient:
        client = await self.make(queue)
        run = Calls(client).run
        batch = Batch(run=run, most=MOST, at_once=_AT_ONCE)
        return _PooledClient(Line(queue, client, batch), self.now())

    async def _make_room(self) -> None:
        unused = [key for key, kept in self._kept.items() if kept.users == 0]
        unused.sort(key=lambda key: self._kept[key].used_at)
        stale = self.now() - self.idle
        for key in unused:
            if len(self._kept) >= self.most or self._kept[key].used_at < stale:
                await self._kept.pop(key).line.close()
