"""Another process at the same queue: `accept` one trigger, or `drain` it."""

import asyncio
import sys
from pathlib import Path

from keyrelay.model.settlement import Done
from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from tests.contract.queues import trigger


async def accept(path: Path) -> None:
    async with open_queue(path, real_world()) as queue:
        await queue.accept(trigger())
        print("accepted", flush=True)
        await asyncio.Event().wait()  # to be killed here


async def drain(path: Path) -> None:
    async with open_queue(path, real_world(), SqliteOptions(drain=True)) as queue:
        first = await queue.lease(asyncio.Event())
        assert first is not None
        print(first.trigger.id, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await first.settle(Done())
        async with asyncio.TaskGroup() as lanes:
            for _ in range(8):
                lanes.create_task(lane(queue))


async def lane(queue: SqliteQueue) -> None:
    while (lease := await queue.lease(asyncio.Event())) is not None:
        print(lease.trigger.id, flush=True)
        await lease.settle(Done())


if __name__ == "__main__":
    task = {"accept": accept, "drain": drain}[sys.argv[1]]
    asyncio.run(task(Path(sys.argv[2])))
