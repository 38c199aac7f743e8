"""Trigger status: whatever is known, even after the queue has forgotten it."""

from datetime import timedelta

import pytest

from keyrelay.model.backlog import TriggerState
from keyrelay.services.trigger_status import Tracking, TriggerStatus
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.house import House
from tests.contract.stores.records import attempt
from tests.memory_queue import MemoryQueue
from tests.samples import OTHER_PROFILE, PROFILE, a_trigger
from tests.unit.services.letters import a_letter, bury


async def status(
    house: House, queue: MemoryQueue, profile: str = PROFILE, given: str = "t1"
) -> TriggerStatus:
    tracking = Tracking(queue=queue, trail=house.trail, letters=house.dead_letters)
    return await tracking.status(profile, given)


async def test_a_trigger_that_waits_has_neither_attempts_nor_a_letter(
    house: House, queue: MemoryQueue
) -> None:
    await queue.accept(a_trigger())

    found = await status(house, queue)

    assert found.queue is not None
    assert found.queue.state is TriggerState.WAITING
    assert (found.attempts, found.letter) == ([], None)


async def test_a_buried_trigger_is_shown_with_its_letter(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")

    found = await status(house, queue)

    assert found.queue is not None
    assert found.queue.state is TriggerState.BURIED
    assert found.letter == a_letter()


async def test_attempts_are_its_own_and_the_oldest_comes_first(
    house: House, queue: MemoryQueue
) -> None:
    await queue.accept(a_trigger())
    records = [attempt("t1"), attempt("t2"), attempt("t1"), attempt("t1")]
    for record in records:
        await house.audit_log.keep_records([record])
        house.clock.advance(timedelta(seconds=1))

    found = await status(house, queue)

    assert len(found.attempts) == 3
    places = [entry.seq for entry in found.attempts]
    assert places == sorted(places)


async def test_what_the_queue_has_forgotten_is_known_from_its_letter(
    house: House, queue: MemoryQueue
) -> None:
    await house.dead_letters.keep([a_letter()])

    found = await status(house, queue)

    assert found.queue is None
    assert found.letter == a_letter()


async def test_what_the_queue_has_forgotten_is_known_from_its_attempts(
    house: House, queue: MemoryQueue
) -> None:
    await house.audit_log.keep_records([attempt("t1")])

    found = await status(house, queue)

    assert found.queue is None
    assert len(found.attempts) == 1


async def test_a_trigger_of_which_nothing_is_known_is_not_found(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t2")

    with pytest.raises(NotFound):
        await status(house, queue)


async def test_another_profile_knows_nothing_of_it(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t1")

    with pytest.raises(NotFound):
        await status(house, queue, OTHER_PROFILE)


async def test_the_beginning_of_an_id_is_enough_wherever_the_trigger_is_known(
    house: House, queue: MemoryQueue
) -> None:
    await queue.accept(a_trigger(id_="waiting-17"))
    await bury(house, queue, "buried-17")
    await house.audit_log.keep_records([attempt("attempted-17")])

    for whole in ("waiting-17", "buried-17", "attempted-17"):
        assert (await status(house, queue, given=whole[:6])).trigger == whole
        with pytest.raises(NotFound):
            await status(house, queue, OTHER_PROFILE, given=whole[:6])
