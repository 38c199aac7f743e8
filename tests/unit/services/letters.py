"""Letters: buried triggers, in the store and in the queue."""

import asyncio
from datetime import timedelta

from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from tests.contract.stores.house import House
from tests.memory_queue import MemoryQueue
from tests.samples import MAIL_ACTION, NOON, a_trigger

GAVE_UP = Bury(reason="gave up", fault=Fault.SYSTEM)


def a_letter(
    id_: str = "t1", action: str = MAIL_ACTION, after: timedelta = timedelta()
) -> DeadLetter:
    """Return the letter of a trigger that was buried so long after noon."""
    return DeadLetter(
        trigger=a_trigger(action=action, id_=id_),
        settlement=GAVE_UP,
        attempts=10,
        buried_at=NOON + after,
    )


async def bury(house: House, queue: MemoryQueue, *ids: str) -> None:
    """Bury triggers as a worker does: the letter is kept, then the lease settled."""
    for id_ in ids:
        await queue.accept(a_trigger(id_=id_))
        lease = await queue.lease(asyncio.Event())
        assert lease is not None
        await house.dead_letters.keep([a_letter(id_)])
        await lease.settle(GAVE_UP)
