"""Redriving: no crash and no race loses a trigger, and one refusal stops no other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.ports import Unavailable
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    LetterResult,
    Redriving,
)
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from tests.contract.stores.house import ADA, House
from tests.memory_queue import MemoryQueue
from tests.samples import MAIL_ACTION, OTHER_PROFILE, PROFILE, QUEUE_ACTION, a_trigger
from tests.unit.services.letters import a_letter, bury


@dataclass(slots=True)
class BrokenQueue(MemoryQueue):
    async def redrive(self, letter: DeadLetter) -> bool:
        raise Unavailable(f"the queue does not take {letter.trigger.id}")


@dataclass(slots=True, kw_only=True)
class FullQueue(MemoryQueue):
    """Takes no more triggers once it has taken so many."""

    room: int

    async def redrive(self, letter: DeadLetter) -> bool:
        if self.room == 0:
            raise Unavailable("the queue is full")
        self.room -= 1
        return await MemoryQueue.redrive(self, letter)


async def results_of(results: AsyncIterator[LetterResult]) -> list[LetterResult]:
    return [result async for result in results]


async def redrive(house: House, queue: MemoryQueue, *ids: str) -> list[LetterResult]:
    redriving = Redriving(queue=queue, letters=house.dead_letters)
    return await results_of(redriving.redrive(PROFILE, ids, ADA))


async def letters_left(house: House) -> Sequence[str]:
    letters = DeadLetterAdministration(letters=house.dead_letters)
    return await letters.choose(PROFILE, DeadLetterQuery())


async def state(queue: MemoryQueue, id_: str) -> TriggerState | None:
    status = await queue.status(PROFILE, id_)
    return None if status is None else status.state


async def test_a_redriven_trigger_waits_again_and_its_letter_is_gone(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")

    results = await redrive(house, queue, "t1")

    assert results == [LetterResult(trigger="t1")]
    assert await state(queue, "t1") is TriggerState.WAITING
    assert await letters_left(house) == []


async def test_a_trigger_that_the_queue_has_forgotten_is_redriven(
    house: House, queue: MemoryQueue
) -> None:
    await house.dead_letters.keep([a_letter()])

    await redrive(house, queue, "t1")

    assert await state(queue, "t1") is TriggerState.WAITING


async def test_the_letter_stays_until_the_queue_has_the_trigger(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")
    broken = BrokenQueue(world=queue.world, storage=queue.storage)

    with pytest.raises(Unavailable):
        await redrive(house, broken, "t1")

    assert await letters_left(house) == ["t1"]


async def test_a_letter_that_outlived_its_redriving_is_forgotten_the_second_time(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")
    await house.refuse_records()
    with pytest.raises(Unavailable):
        await redrive(house, queue, "t1")
    left = await letters_left(house), await state(queue, "t1")
    await house.break_in("DROP TRIGGER refuse")

    results = await redrive(house, queue, "t1")

    assert left == (["t1"], TriggerState.WAITING)
    assert results == [LetterResult(trigger="t1")]
    assert await letters_left(house) == []


async def test_the_letter_of_a_trigger_that_is_being_attempted_stays(
    house: House, queue: MemoryQueue
) -> None:
    await house.dead_letters.keep([a_letter()])
    await queue.accept(a_trigger())
    lease = await queue.lease(asyncio.Event())

    results = await redrive(house, queue, "t1")

    assert lease is not None
    assert [result.refusal for result in results] == [
        "trigger t1 is being attempted: look again"
    ]
    assert await letters_left(house) == ["t1"]


async def test_a_letter_that_is_not_there_does_not_stop_the_others(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1", "t2")

    results = await redrive(house, queue, "t1", "t0", "t2")

    assert [result.refusal for result in results] == [
        None,
        "there is no dead letter t0",
        None,
    ]
    assert await letters_left(house) == []


async def test_a_run_that_ended_half_way_is_repeated_and_repeats_nothing(
    house: House, queue: MemoryQueue
) -> None:
    ids = [f"t{number}" for number in range(250)]
    for id_ in ids:
        await bury(house, queue, id_)
    full = FullQueue(world=queue.world, storage=queue.storage, room=230)

    with pytest.raises(Unavailable, match="the queue is full"):
        await redrive(house, full, *ids)

    left = await letters_left(house)
    assert set(left) == set(ids[200:])  # 30 of them wait in the queue, too
    states = [await state(queue, id_) for id_ in ids]
    assert states.count(TriggerState.WAITING) == 230
    assert await redrive(house, queue, *left) == [LetterResult(trigger=i) for i in left]
    assert await letters_left(house) == []
    assert {await state(queue, id_) for id_ in ids} == {TriggerState.WAITING}


async def test_dropped_letters_are_gone_and_their_triggers_stay_buried(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")
    letters = DeadLetterAdministration(letters=house.dead_letters)

    results = await results_of(letters.drop(PROFILE, ["t0", "t1"], ADA))

    assert [result.refusal for result in results] == [
        "there is no dead letter t0",
        None,
    ]
    assert await letters_left(house) == []
    assert await state(queue, "t1") is TriggerState.BURIED


async def test_letters_of_another_profile_are_neither_chosen_nor_touched(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")
    letters = DeadLetterAdministration(letters=house.dead_letters)

    chosen = await letters.choose(OTHER_PROFILE, DeadLetterQuery())
    [dropped] = await results_of(letters.drop(OTHER_PROFILE, ["t1"], ADA))

    assert chosen == []
    assert dropped.refusal == "there is no dead letter t1"
    assert await letters_left(house) == ["t1"]


async def test_letters_are_chosen_newest_first_and_all_of_them(house: House) -> None:
    many = [a_letter(f"t{n}", after=timedelta(seconds=n)) for n in range(501)]
    other = a_letter("other", action=QUEUE_ACTION)
    await house.dead_letters.keep([*many, other])
    letters = DeadLetterAdministration(letters=house.dead_letters)

    chosen = await letters.choose(PROFILE, DeadLetterQuery(action=MAIL_ACTION))

    assert chosen == [f"t{n}" for n in range(500, -1, -1)]
