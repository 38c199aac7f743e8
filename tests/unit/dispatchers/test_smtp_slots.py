"""A slot is waited for as long as slots are released, within a limit."""

import asyncio
from dataclasses import replace

from keyrelay.dispatchers.smtp.limits import SlotLimits
from keyrelay.dispatchers.smtp.slots import Slots
from keyrelay.model.outcome import Blame
from tests.fakes import Pass, settled

ONE = SlotLimits(count=1)


async def test_a_free_slot_is_acquired_at_once(passes: Pass) -> None:
    slots = Slots(limits=ONE)
    passes(100)

    assert await slots.acquire() is None


async def test_a_caller_waits_on_while_slots_are_released(
    passes: Pass,
) -> None:
    slots = Slots(limits=ONE)
    await slots.acquire()
    waiting = {asyncio.create_task(slots.acquire()) for _ in range(5)}
    await settled()

    while waiting:
        passes(0.9 * ONE.stall.total_seconds())
        await settled()
        slots.release()
        acquired, waiting = await asyncio.wait(
            waiting, return_when=asyncio.FIRST_COMPLETED
        )
        assert [task.result() for task in acquired] == [None]


async def test_waits_for_a_slow_server_end_and_do_not_blame_it(
    passes: Pass,
) -> None:
    slots = Slots(limits=ONE)
    await slots.acquire()
    waiting = [asyncio.create_task(slots.acquire()) for _ in range(3)]
    await settled()

    passes(ONE.stall.total_seconds())

    refused = [*await asyncio.gather(*waiting), await slots.acquire()]
    blamed = [refusal and refusal.blame for refusal in refused]
    assert blamed == [Blame.MESSAGE] * 4, "a slow server is not dead"


async def test_no_wait_is_longer_than_its_limit(passes: Pass) -> None:
    # More callers than slots are released.
    slots = Slots(limits=replace(ONE, wait=ONE.stall * 2))
    await slots.acquire()
    waiting = [asyncio.create_task(slots.acquire()) for _ in range(5)]
    await settled()

    for _ in range(3):
        passes(0.9 * ONE.stall.total_seconds())
        await settled()
        slots.release()
        await settled()

    refused = [refusal for refusal in await asyncio.gather(*waiting) if refusal]
    assert [refusal.blame for refusal in refused] == [Blame.MESSAGE] * 3


async def test_a_released_slot_ends_the_stall(
    passes: Pass,
) -> None:
    slots = Slots(limits=ONE)
    await slots.acquire()
    passes(ONE.stall.total_seconds())
    assert await slots.acquire() is not None

    slots.release()

    assert await slots.acquire() is None
