"""Pool: senders for queues, each kept open for one version of a secret."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.dispatchers.sqs.queue_url import QueueUrl
from keyrelay.dispatchers.sqs.sender import QueueClient, QueueSender, queue_sender
from keyrelay.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderKey:
    """What a sender belongs to: a version of a secret, and a queue's URL."""

    secret: str
    version: int
    queue: str


@dataclass(slots=True)
class _PooledSender:
    sender: QueueSender
    used_at: datetime
    users: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPool:
    """Opens senders, and closes those unused for `idle`, or beyond `most`.

    A sender in use is never closed. An idle one is closed only when another is opened:
    until then it holds neither a key nor a connection. `now` returns the time, as an
    aware datetime.
    """

    make: Callable[[QueueUrl], Awaitable[QueueClient]]
    now: Callable[[], datetime]
    most: int = 64
    idle: timedelta = timedelta(minutes=5)
    _senders: dict[SenderKey, _PooledSender] = field(default_factory=dict, init=False)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @asynccontextmanager
    async def acquire(
        self, secret: Secret, queue: QueueUrl
    ) -> AsyncIterator[QueueSender]:
        """Give the sender for the block."""
        key = SenderKey(secret=secret.id, version=secret.version, queue=queue.url)
        pooled = await self._find(key, queue)
        try:
            yield pooled.sender
        finally:
            pooled.users -= 1
            pooled.used_at = self.now()

    async def close(self) -> None:
        """Wait for calls under way, and close all senders; acquire none afterwards."""
        async with self._changing:
            while self._senders:
                _, pooled = self._senders.popitem()
                await pooled.sender.close()

    async def _find(self, key: SenderKey, queue: QueueUrl) -> _PooledSender:
        async with self._changing:
            pooled = self._senders.get(key)
            if pooled is None:
                await self._evict()
                pooled = self._senders[key] = await self._open(queue)
            # Counted under the lock, so that no other caller closes it first.
            pooled.users += 1
        return pooled

    async def _open(self, queue: QueueUrl) -> _PooledSender:
        return _PooledSender(queue_sender(queue, await self.make(queue)), self.now())

    async def _evict(self) -> None:
        unused = [key for key, pooled in self._senders.items() if pooled.users == 0]
        unused.sort(key=lambda key: self._senders[key].used_at)
        expired_before = self.now() - self.idle
        for key in unused:
            pooled = self._senders[key]
            if len(self._senders) >= self.most or pooled.used_at < expired_before:
                await self._senders.pop(key).sender.close()
