"""Publisher: triggers a line, many at once, told of in their order."""

import asyncio
import json
from dataclasses import dataclass, field

from keyrelay.cli.lines import read_lines
from keyrelay.cli.output import put, say
from keyrelay.model.trigger import MalformedTrigger, Origin, Trigger
from keyrelay.ports import Inbox

_AT_ONCE = 256  # enough for the queue to keep many with one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of the trigger in a line: accepted, known already, or refused."""

    line: int
    id: str = ""
    known: bool = False
    refusal: str | None = None


@dataclass(slots=True, kw_only=True)
class PublishCount:
    accepted: int = 0
    known: int = 0
    refused: int = 0

    def add(self, published: Published) -> None:
        if published.refusal is not None:
            self.refused += 1
        elif published.known:
            self.known += 1
        else:
            self.accepted += 1

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, known already {self.known},"
            f" refused {self.refused}"
        )


Begun = asyncio.Queue[asyncio.Task[Published] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    inbox: Inbox
    origin: Origin
    as_json: bool
    count: PublishCount = field(default_factory=PublishCount)

    async def publish(self, line: int, raw: bytes) -> Published:
        """Return once the trigger would survive a power cut. Raises Unavailable."""
        try:
            trigger = Trigger.parse(raw, self.origin)
        except MalformedTrigger as fault:
            return Published(line=line, refusal=str(fault))
        new = await self.inbox.accept(trigger)
        return Published(line=line, id=trigger.id, known=not new)

    async def publish_lines(self, descriptor: int) -> None:
        """Publish a trigger a line; tell what became of each, in their order.

        Raises Unavailable and OSError; what was not told of may have been kept.
        """
        begun: Begun = asyncio.Queue()
        room = asyncio.Semaphore(_AT_ONCE)
        beginning = asyncio.create_task(self._begin(descriptor, begun, room))
        try:
            while (task := await begun.get()) is not None:
                self.report(await task)
                room.release()
            await beginning
        finally:
            beginning.cancel()
            waiting = [begun.get_nowait() for _ in range(begun.qsize())]
            left = [task for task in waiting if task is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(beginning, *left, return_exceptions=True)

    def report(self, published: Published) -> None:
        self.count.add(published)
        if published.refusal is not None:
            say(f"line {published.line}: {published.refusal}")
        elif self.as_json:
            told = {"id": published.id, "known": published.known}
            put(json.dumps({"line": published.line, **told}))
        else:
            put(published.id)

    async def _begin(
        self, descriptor: int, begun: Begun, room: asyncio.Semaphore
    ) -> None:
        try:
            async for number, line in read_lines(descriptor):
                await room.acquire()
                begun.put_nowait(asyncio.create_task(self.publish(number, line)))
        finally:
            begun.put_nowait(None)
