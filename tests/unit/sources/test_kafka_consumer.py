"""The consumer: what it reads, how far ahead, and which offsets it commits."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import Done, TryAgain
from keyrelay.ports import Lease
from keyrelay.sources.kafka.options import Intervals, KafkaOptions, Window
from keyrelay.sources.kafka.queue import KafkaQueue
from tests.contract.kafka_logs import listening
from tests.contract.queues import SECOND, UntilIdle, trigger
from tests.unit.sources.kafka_fakes import House, consumer_of, positions_of
from tests.unit.sources.kafka_records import (
    LONG,
    MAIN,
    MAIN_TOO,
    milliseconds,
    parked,
    raw,
)

pytestmark = pytest.mark.timeout(20)

ALL = (MAIN, MAIN_TOO, LONG)
SMALL = KafkaOptions(window=Window(records=2))
DRAIN = KafkaOptions(drain=True)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def queue(house: House) -> AsyncIterator[KafkaQueue]:
    async with house.queue(*ALL) as queue:
        yield queue


def publish(house: House, *ids: str, at: int = 0, of: TopicPartition = MAIN) -> None:
    for offset, id_ in enumerate(ids, at):
        house.consumer.feed(raw(trigger(id_).encode(), of=of, offset=offset))


async def lease(queue: KafkaQueue) -> Lease:
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    return lease


async def settle_all(queue: KafkaQueue) -> None:
    while (due := await queue.lease(UntilIdle())) is not None:
        await due.settle(Done())


# Commits


async def test_what_a_rebalance_refused_is_committed_with_the_next(
    house: House, queue: KafkaQueue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "keyrelay")
    publish(house, "t1")
    await (await lease(queue)).settle(Done())

    house.consumer.refusal = CommitFailedError()
    await consumer_of(queue).partitions.commit()
    house.consumer.refusal = None
    await consumer_of(queue).partitions.commit()
    await consumer_of(queue).partitions.commit()

    assert house.consumer.commits == [{MAIN: 1}]
    assert "offsets not committed" in caplog.messages


async def test_offsets_are_committed_again_and_again_as_they_move(
    house: House, queue: KafkaQueue
) -> None:
    for number in range(2):
        publish(house, f"t{number}", at=number)
        await (await lease(queue)).settle(Done())
        await house.clock.pass_time(SECOND)

    assert house.consumer.commits == [{MAIN: 1}, {MAIN: 2}]


async def test_offsets_are_committed_before_partitions_leave(
    house: House, queue: KafkaQueue
) -> None:
    publish(house, "t1")
    await (await lease(queue)).settle(Done())

    await house.consumer.take_away()

    assert house.consumer.commits == [{MAIN: 1}]
    assert positions_of(queue).uncommitted() == {}


async def test_partitions_leave_once_their_leases_are_settled(
    house: House, queue: KafkaQueue
) -> None:
    publish(house, "t1", "t2")
    held = await lease(queue)

    leaving = asyncio.create_task(house.consumer.take_away())
    assert await queue.lease(UntilIdle()) is None
    assert not leaving.done()
    await held.settle(Done())
    await leaving

    assert house.consumer.commits == [{MAIN: 1}]


async def test_partitions_do_not_wait_for_ever_for_their_leases() -> None:
    house, hasty = (
        House(),
        KafkaOptions(intervals=Intervals(revocation=timedelta(seconds=0.01))),
    )
    async with house.queue(MAIN, options=hasty) as queue:
        publish(house, "t1")
        late = await lease(queue)

        await house.consumer.take_away()
        await house.consumer.give(MAIN)
        await late.settle(Done())
        await consumer_of(queue).partitions.commit()

    assert house.consumer.commits == []


async def test_a_queue_that_is_closed_commits_how_far_it_got() -> None:
    house = House()
    async with house.queue(MAIN) as queue:
        publish(house, "t1", "t2")
        await (await lease(queue)).settle(Done())

    assert house.consumer.commits == [{MAIN: 1}]


# Windows


async def test_a_partition_that_is_full_is_not_read_until_there_is_room() -> None:
    house = House()
    async with house.queue(*ALL, options=SMALL) as queue:
        publish(house, "t1", "t2")
        leases = [await lease(queue) for _ in range(2)]
        house.consumer.look()
        publish(house, "u1", of=MAIN_TOO)
        leases.append(await lease(queue))
        assert house.consumer.paused == {MAIN}

        publish(house, "t3", at=2)
        assert await queue.lease(UntilIdle()) is None
        await leases[0].settle(Done())

        assert (await lease(queue)).trigger.id == "t3"


async def test_an_old_trigger_stops_only_its_own_partition() -> None:
    house = House()
    async with house.queue(*ALL) as queue:
        publish(house, "t1")
        old = await lease(queue)
        publish(house, "u1", of=MAIN_TOO)
        await (await lease(queue)).settle(Done())

        house.clock.time += timedelta(minutes=21)
        publish(house, "u2", at=1, of=MAIN_TOO)
        await (await lease(queue)).settle(Done())
        assert house.consumer.paused == {MAIN}
        await old.settle(Done())
        house.consumer.look()
        publish(house, "t2", at=1)

        assert (await lease(queue)).trigger.id == "t2"


async def test_what_waits_for_its_time_does_not_stop_what_was_published() -> None:
    house, few = House(), KafkaOptions(window=Window(bytes=20_000))
    async with house.queue(*ALL, options=few) as queue:
        due = house.clock.time + timedelta(hours=1)
        headers = parked(trigger("w"), due=due)
        value = trigger("w").encode()
        for offset in range(50):
            house.consumer.feed(raw(value, of=LONG, offset=offset, headers=headers))
        assert await queue.lease(UntilIdle()) is None
        house.consumer.look()
        publish(house, "t1")

        assert (await lease(queue)).trigger.id == "t1"
        assert house.consumer.paused == {LONG}


async def test_what_waits_for_its_time_may_grow_old() -> None:
    house = House()
    async with house.queue(*ALL) as queue:
        later = house.clock.time + timedelta(hours=1)
        for offset, id_ in enumerate(("w1", "w2")):
            headers = parked(trigger(id_), due=later)
            value = trigger(id_).encode()
            house.consumer.feed(raw(value, of=LONG, offset=offset, headers=headers))
            house.clock.time += timedelta(minutes=8)
        await house.consumer.handed.wait()
        house.clock.time += timedelta(minutes=30)
        house.consumer.look()
        publish(house, "t1")

        assert (await lease(queue)).trigger.id == "t1"
        assert house.consumer.paused == set()


async def test_a_producers_clock_that_is_ahead_makes_nothing_wait_longer(
    house: House, queue: KafkaQueue
) -> None:
    due = house.clock.time + timedelta(minutes=10)
    headers = parked(trigger(), due=due)
    ahead = milliseconds(house.clock.time + timedelta(days=1000))
    value = trigger().encode()
    house.consumer.feed(raw(value, of=LONG, headers=headers, timestamp=ahead))
    assert await queue.lease(UntilIdle()) is None

    house.clock.time = due

    assert (await lease(queue)).trigger == trigger()


# Draining


async def test_a_queue_is_drained_when_all_is_read_and_nothing_is_due() -> None:
    house = House()
    async with house.queue(*ALL, options=DRAIN) as queue:
        publish(house, "t1")
        await (await lease(queue)).settle(TryAgain(after=timedelta(hours=1)))

        assert await queue.lease(asyncio.Event()) is None


async def test_a_queue_is_not_drained_because_the_brokers_do_not_answer() -> None:
    house = House()
    async with house.queue(*ALL, options=DRAIN) as queue:
        house.consumer.silence = KafkaConnectionError()

        waiting = asyncio.create_task(queue.lease(asyncio.Event()))
        await house.consumer.asked.wait()
        house.consumer.silence = None
        publish(house, "t1")

        due = await waiting
        assert due is not None
        await due.settle(Done())
        assert await queue.lease(asyncio.Event()) is None


async def test_what_is_read_while_the_brokers_are_asked_is_done_too() -> None:
    house = House()
    async with house.queue(*ALL, options=DRAIN) as queue:
        house.consumer.answer.clear()
        waiting = asyncio.create_task(queue.lease(asyncio.Event()))
        await house.consumer.asked.wait()

        publish(house, "t1")
        await house.consumer.handed.wait()
        house.consumer.answer.set()

        due = await waiting
        assert due is not None
        assert due.trigger.id == "t1"


async def test_a_queue_is_not_drained_while_there_is_more_than_it_has_room_for() -> (
    None
):
    house = House()
    options = KafkaOptions(drain=True, ordered=True, window=Window(records=2))
    async with house.queue(MAIN, options=options) as queue:
        for offset, id_ in enumerate(("t1", "t2", "t3")):
            value = trigger(id_, "k").encode()
            house.consumer.feed(raw(value, offset=offset), hidden=offset == 2)
        await (await lease(queue)).settle(TryAgain(after=timedelta(hours=1)))
        await house.consumer.full.wait()

        assert not await consumer_of(queue).has_read_all()


async def test_a_queue_is_not_drained_during_a_rebalance() -> None:
    house = House()
    async with house.queue(*ALL, options=DRAIN) as queue:
        await house.consumer.take_away()

        assert not await consumer_of(queue).has_read_all()
        await house.consumer.give(*ALL)
        assert await consumer_of(queue).has_read_all()


# The watchdog


async def replaced(house: House) -> None:
    """Return once a consumer that gets nothing has been replaced."""
    house.made.clear()
    with listening("nothing is read") as listener:
        house.clock.advance(timedelta(minutes=2))
        await listener.once.wait()
    await house.clock.until_asleep(SECOND)
    house.clock.advance(SECOND)
    await house.made.wait()
    await house.clock.until_asleep(Intervals().commit)


async def test_a_consumer_that_is_stuck_is_replaced(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()), hidden=True)

    await replaced(house)

    assert len(house.consumers) == 2


async def test_brokers_that_do_not_answer_are_no_reason_to_replace_a_consumer(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()), hidden=True)
    house.consumer.silence = KafkaConnectionError()

    await house.clock.pass_time(timedelta(minutes=2))
    await house.consumer.asked.wait()

    assert len(house.consumers) == 1


async def test_a_new_consumer_begins_with_nothing_of_the_one_before(
    house: House, queue: KafkaQueue
) -> None:
    publish(house, "t1", "t2")
    held = await lease(queue)
    house.consumer.feed(raw(trigger("t3").encode(), offset=2), hidden=True)
    await replaced(house)
    await house.consumer.give(*ALL)

    await held.settle(Done())
    assert positions_of(queue).uncommitted() == {}
    publish(house, "t1", "t2", "t3")
    await settle_all(queue)
    house.clock.time += SECOND
    await settle_all(queue)

    assert positions_of(queue).uncommitted() == {MAIN: 3}
    ended = [event for event in house.story.events if event.startswith("end")]
    assert ended == ["end t1: done", "end t2: done", "end t3: done"]
