"""A record whose attempt lasts holds up none behind it, and is lost by no crash."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import Done, TryAgain
from keyrelay.ports import Lease
from keyrelay.sources.kafka.options import ASIDE, ClaimAccess, KafkaOptions
from keyrelay.sources.kafka.queue import KafkaQueue
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.queues import UntilIdle, trigger
from tests.samples import MAIL_SECRET
from tests.unit.sources.kafka_fakes import House, consumer_of, positions_of
from tests.unit.sources.kafka_records import COPIES, HELD, MAIN, raw

pytestmark = pytest.mark.timeout(20)

SECOND = timedelta(seconds=1)
LASTING = 10 * SECOND


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def queue(house: House) -> AsyncIterator[KafkaQueue]:
    async with house.queue(MAIN, COPIES, HELD) as queue:
        yield queue


async def lent(house: House, queue: KafkaQueue, key: str | None = None) -> Lease:
    house.consumer.feed(raw(trigger(key=key).encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    return lease


def said(house: House) -> dict[str, str]:
    """Return what the last record that was written says of its trigger."""
    headers = house.producer.headers[-1]
    return {name.removeprefix("keyrelay-"): text.decode() for name, text in headers}


def due(said: dict[str, str]) -> datetime:
    return datetime.fromisoformat(said["due"])


def released(house: House, queue: KafkaQueue) -> dict[TopicPartition, int]:
    """Return the offsets that are committed, or will be next."""
    offsets: dict[TopicPartition, int] = {}
    for commit in [*house.consumer.commits, positions_of(queue).uncommitted()]:
        offsets.update(commit)
    return offsets


async def bring_copy(house: House, *, to: House, which: int = 0) -> None:
    """Let a copy that one process wrote be read by one, when it is due."""
    headers = house.producer.headers[which]
    await house.clock.pass_time(ASIDE)
    copy = raw(trigger().encode(), of=COPIES, offset=which, headers=headers)
    to.consumer.feed(copy)


async def test_before_its_attempt_has_lasted_for_long_nothing_is_written(
    house: House, queue: KafkaQueue
) -> None:
    await lent(house, queue)

    await house.clock.pass_time(LASTING - SECOND)

    assert house.story.events == ["claim t1"]
    assert released(house, queue) == {}


async def test_what_lasts_is_copied_once_and_only_then_released(
    house: House, queue: KafkaQueue
) -> None:
    lease = await lent(house, queue)
    for _ in range(30):
        await house.clock.pass_time(SECOND)

    assert house.story.events == ["claim t1", "write t.retry.30s"]
    assert said(house)["attempts"] == "0", "fewer than the claim: it is cut by a crash"
    assert said(house)["turn"] == "1"
    assert released(house, queue) == {MAIN: 1}
    assert positions_of(queue).bytes == 0
    await lease.settle(Done())
    assert house.story.events[2:] == ["end t1: done"]


async def test_the_copy_is_passed_over_once_the_attempt_has_ended(
    house: House, queue: KafkaQueue
) -> None:
    lease = await lent(house, queue)
    await house.clock.pass_time(LASTING)
    await lease.settle(Done())

    await bring_copy(house, to=house)

    assert await queue.lease(UntilIdle()) is None
    assert released(house, queue) == {MAIN: 1, COPIES: 1}


async def test_a_copy_of_what_has_not_ended_is_written_again_and_waits_as_long(
    house: House, queue: KafkaQueue
) -> None:
    lease = await lent(house, queue)
    await house.clock.pass_time(LASTING)
    first = said(house)

    await bring_copy(house, to=house)

    assert await queue.lease(UntilIdle()) is None
    assert house.story.events[1:] == ["write t.retry.30s"] * 2
    assert said(house)["turn"] == first["turn"]
    assert due(said(house)) == due(first) + ASIDE
    assert released(house, queue) == {MAIN: 1, COPIES: 1}, "it holds up none behind it"
    await lease.settle(Done())
    await bring_copy(house, to=house, which=1)
    assert await queue.lease(UntilIdle()) is None
    assert house.story.events[3:] == ["end t1: done", "claim t1"]


async def test_so_is_one_that_another_process_reads(
    house: House, queue: KafkaQueue
) -> None:
    await lent(house, queue)
    await house.clock.pass_time(LASTING)
    other = House(clock=house.clock, book=house.book)

    async with other.queue(COPIES) as queue_of_other:
        await bring_copy(house, to=other)

        assert await queue_of_other.lease(UntilIdle()) is None
        assert other.story.events == ["claim t1", "write t.retry.30s"]
        assert said(other)["turn"] == said(house)["turn"]
        assert released(other, queue_of_other) == {COPIES: 1}


@pytest.mark.parametrize("waits_for", [None, MAIL_SECRET])
async def test_what_is_tried_again_is_written_later_than_its_copy(
    house: House, queue: KafkaQueue, waits_for: str | None
) -> None:
    lease = await lent(house, queue)
    await house.clock.pass_time(LASTING)

    await lease.settle(TryAgain(after=timedelta(hours=1), waits_for=waits_for))
    later = said(house)
    await bring_copy(house, to=house)

    assert (later["turn"], later["attempts"]) == ("2", "1")
    assert await queue.lease(UntilIdle()) is None, "the copy counts no more"


async def test_after_a_crash_the_copy_is_attempted_as_what_was_cut(
    house: House,
) -> None:
    async with house.queue(MAIN, COPIES) as queue:
        await lent(house, queue)
        await house.clock.pass_time(LASTING)
    house.book.dead.append(house.claims)
    after = House(clock=house.clock, book=house.book)

    async with after.queue(MAIN, COPIES) as queue:
        headers = house.producer.headers[0]
        await after.clock.pass_time(ASIDE)
        after.consumer.feed(raw(trigger().encode(), of=COPIES, headers=headers))
        again = await queue.lease(asyncio.Event())

    assert again is not None
    assert (again.number, again.repeats) == (2, True)
    assert again.unsettled is not None
    assert again.unsettled.is_last


async def test_what_cannot_be_copied_now_is_released_later(
    house: House, queue: KafkaQueue
) -> None:
    await lent(house, queue)
    house.producer.fault = KafkaConnectionError()
    await house.clock.pass_time(LASTING)
    assert released(house, queue) == {}

    house.producer.fault = None
    await house.clock.pass_time(2 * SECOND)

    assert released(house, queue) == {MAIN: 1}


async def test_what_is_settled_while_another_is_copied_is_not_copied(
    house: House, queue: KafkaQueue
) -> None:
    leases = []
    for offset, id_ in enumerate(("t1", "t2")):
        house.consumer.feed(raw(trigger(id_).encode(), offset=offset))
        leases.append(await queue.lease(asyncio.Event()))
    writing, written = asyncio.Event(), asyncio.Event()
    send = house.producer.send_and_wait

    async def slowly(topic: str, **record: object) -> None:
        writing.set()
        await written.wait()
        await send(topic, **record)  # type: ignore[arg-type]

    house.producer.send_and_wait = slowly  # type: ignore[method-assign]
    house.clock.advance(LASTING)
    await writing.wait()
    assert leases[1] is not None
    await leases[1].settle(Done())
    written.set()
    await house.clock.pass_time(SECOND)

    assert [event for event in house.story.events if "write" in event] == [
        "write t.retry.30s"
    ]


async def test_in_the_order_of_its_key_a_record_stays_where_it_is(
    house: House,
) -> None:
    options = KafkaOptions(ordered=True)
    async with house.queue(MAIN, COPIES, options=options) as queue:
        await lent(house, queue, key="a")
        await house.clock.pass_time(LASTING)

        assert house.story.events == ["claim t1"]
        assert released(house, queue) == {}


async def test_without_claims_nothing_is_copied_as_the_copy_would_be_sent(
    house: House,
) -> None:
    claims = house.claims
    access = ClaimAccess(claims=claims, states=claims, people=Unclaimed(), kept=False)
    async with house.queue(MAIN, COPIES, access=access) as queue:
        await lent(house, queue)
        await house.clock.pass_time(LASTING)

        assert house.story.events == ["claim t1"]


async def test_a_rebalance_does_not_wait_for_what_was_set_aside(
    house: House, queue: KafkaQueue
) -> None:
    await lent(house, queue)
    await house.clock.pass_time(LASTING)

    loans = consumer_of(queue).buffer.loans
    await loans.returned_from({MAIN})
    assert loans.count == 1, "it is under way, and a draining queue waits for it"
