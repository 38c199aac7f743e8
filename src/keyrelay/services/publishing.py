"""Publishing: triggers put into the queue, each answered once it is durable."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from keyrelay.model.trigger import MalformedTrigger, Origin, Trigger
from keyrelay.ports import Inbox

_AT_ONCE = 256  # enough for the queue to keep many with one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The trigger would survive a power cut.

    `known`: its id was accepted before, and it is not performed again.
    """

    id: str
    known: bool


@dataclass(frozen=True, slots=True)
class Malformed:
    """The document is no trigger, or one that comes too late, and never will be one."""

    reason: str


Answer = Accepted | Malformed
_Begun = asyncio.Queue[tuple[int, asyncio.Task[Answer]] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    inbox: Inbox
    origin: Origin

    async def publish(self, document: bytes) -> Answer:
        """Publish one trigger, given as JSON. Raises Unavailable."""
        try:
            trigger = Trigger.parse(document, self.origin)
        except MalformedTrigger as fault:
            return Malformed(str(fault))
        if trigger.lifetime.deadline < self.origin.now():
            # Kept, it would only become a dead letter.
            return Malformed("its deadline has passed; give it a later one, or none")
        new = await self.inbox.accept(trigger)
        return Accepted(id=trigger.id, known=not new)

    async def publish_all(
        self,
        documents: AsyncIterator[tuple[int, bytes]],
        answer: Callable[[int, Answer], None],
    ) -> None:
        """Publish numbered documents, many at once, and answer each in their order.

        A malformed one does not stop the others. Raises Unavailable and what
        `documents` raises; then what was not answered may or may not have been kept.
        """
        begun: _Begun = asyncio.Queue()
        free = asyncio.Semaphore(_AT_ONCE)
        beginning = asyncio.create_task(self._begin(documents, begun, free))
        try:
            while (entry := await begun.get()) is not None:
                number, task = entry
                answer(number, await task)
                free.release()
            await beginning
        finally:
            beginning.cancel()
            waiting = [begun.get_nowait() for _ in range(begun.qsize())]
            left = [entry[1] for entry in waiting if entry is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(beginning, *left, return_exceptions=True)

    async def _begin(
        self,
        documents: AsyncIterator[tuple[int, bytes]],
        begun: _Begun,
        free: asyncio.Semaphore,
    ) -> None:
        try:
            async for number, document in documents:
                await free.acquire()
                task = asyncio.create_task(self.publish(document))
                begun.put_nowait((number, task))
        finally:
            begun.put_nowait(None)
