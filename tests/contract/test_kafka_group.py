"""A group: members that join, leave, and lose partitions while they work."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import Done, TryAgain
from keyrelay.sources.kafka.connecting.clients import KafkaClients, start
from keyrelay.sources.kafka.options import KafkaOptions
from tests.contract.kafka_logs import INTERVALS, OPTIONS, Member, a_log
from tests.contract.queues import trigger
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(60)

HOUR = timedelta(hours=1)
ORDERED = replace(OPTIONS, ordered=True)
# What another member attempts is looked at again after an hour.
PATIENT = KafkaOptions(intervals=replace(INTERVALS, busy=HOUR))


@dataclass
class Ledger:
    """What was done, in order, and what all wait for."""

    wanted: int
    done: list[str] = field(default_factory=list)
    half: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, id_: str) -> None:
        self.done.append(id_)
        if len(set(self.done)) >= self.wanted // 2:
            self.half.set()
        if len(set(self.done)) >= self.wanted:
            self.over.set()

    async def work(self, member: Member, stop: asyncio.Event) -> None:
        while (lease := await member.queue.lease(stop)) is not None:
            self.enter(lease.trigger.id)
            await lease.settle(Done())


async def test_members_that_come_and_go_settle_everything_once(kafka: Kafka) -> None:
    log, ledger = await a_log(kafka, partitions=2), Ledger(wanted=200)
    ids = [f"t{number}" for number in range(ledger.wanted)]
    for half in (0, 1):
        values = [trigger(id_).encode() for id_ in ids[half::2]]
        await log.write(*values, partition=half)

    async with log.member() as stays, asyncio.TaskGroup() as lanes:
        async with log.member() as leaves:
            stop = asyncio.Event()
            for member, until in ((stays, ledger.over), (leaves, stop)):
                for _ in range(2):
                    lanes.create_task(ledger.work(member, until))
            await ledger.half.wait()
            stop.set()
        await ledger.over.wait()

    assert sorted(ledger.done) == sorted(ids)


async def test_what_is_lost_while_it_is_attempted_is_attempted_once(
    kafka: Kafka,
) -> None:
    log = await a_log(kafka, partitions=2)
    async with log.member() as first:
        for partition in (0, 1):
            value = trigger(f"t{partition}").encode()
            await log.write(value, partition=partition)
        kept_and_lost = await first.leases(2)

        async with log.member(PATIENT) as second:
            attempt = asyncio.create_task(second.lease())
            await second.claims.asked.wait()  # it has the partition, and is told: busy
            following = asyncio.create_task(first.lease())
            for lease in kept_and_lost:
                await lease.settle(Done())

            # Of the two that are done now, the late one moves no offset.
            assert await log.first_committed() == {log.topics.main: 1}
            assert not attempt.done()
            log.clock.advance(HOUR)
            for partition in (0, 1):
                value = trigger(f"u{partition}").encode()
                await log.write(value, partition=partition)
            got = await asyncio.gather(attempt, following)

    assert {lease.trigger.id for lease in got} == {"u0", "u1"}
    assert [lease.number for lease in got] == [1, 1]


async def test_a_member_that_lost_a_partition_attempts_nothing_more_of_it(
    kafka: Kafka,
) -> None:
    log, ledger = await a_log(kafka, partitions=2), Ledger(wanted=40)
    for partition in (0, 1):
        values = [trigger(f"p{partition}-{n}").encode() for n in range(20)]
        await log.write(*values, partition=partition)

    async with log.member() as first:
        lease = await first.lease()
        async with log.member() as second, asyncio.TaskGroup() as lanes:
            lanes.create_task(ledger.work(second, ledger.over))
            await second.claims.asked.wait()
            lanes.create_task(ledger.work(first, ledger.over))
            ledger.enter(lease.trigger.id)
            await lease.settle(Done())
            await ledger.over.wait()

    assert len(ledger.done) == 40


async def test_a_retried_trigger_holds_back_only_its_own_key(kafka: Kafka) -> None:
    log = await a_log(kafka)
    async with log.member(ORDERED) as member:
        for id_ in ("a1", "a2", "b1", "b2"):
            await member.queue.accept(trigger(id_, key=id_[0]))
        first, other = await member.leases(2)
        assert (first.trigger.id, other.trigger.id) == ("a1", "b1")
        await first.settle(TryAgain(after=HOUR, done=frozenset({"x"})))
        await other.settle(Done())

        following = await member.lease()
        assert following.trigger.id == "b2"
        await following.settle(Done())
        log.clock.advance(HOUR)
        again = await member.lease()

        assert (again.trigger.id, again.number) == ("a1", 2)
        assert again.done == frozenset({"x"})
        await again.settle(Done())
        assert (await member.lease()).trigger.id == "a2"


async def test_order_outlives_the_member_that_kept_it(kafka: Kafka) -> None:
    log = await a_log(kafka)
    async with log.member(ORDERED) as member:
        for id_ in ("a1", "a2"):
            await member.queue.accept(trigger(id_, key="a"))
        await (await member.lease()).settle(TryAgain(after=HOUR))

    async with log.member(ORDERED) as other:
        again = await other.lease()
        assert (again.trigger.id, again.number) == ("a1", 2)
        await again.settle(Done())

        assert (await other.lease()).trigger.id == "a2"


@dataclass
class Assignments(ConsumerRebalanceListener):  # type: ignore[misc] # it ships no types
    """Each assignment that a member is given, in turn."""

    given: asyncio.Queue[frozenset[TopicPartition]] = field(
        default_factory=asyncio.Queue
    )

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        pass

    async def on_partitions_assigned(
        self, assigned: Collection[TopicPartition]
    ) -> None:
        self.given.put_nowait(frozenset(assigned))


@asynccontextmanager
async def joining(clients: KafkaClients, topic: str) -> AsyncIterator[Assignments]:
    consumer, assignments = clients.consumer(), Assignments()
    consumer.subscribe([topic], listener=assignments)
    await start(consumer)
    try:
        yield assignments
    finally:
        await consumer.stop()


async def test_a_member_with_a_name_that_comes_back_stops_nobody(kafka: Kafka) -> None:
    log = await a_log(kafka, partitions=2)
    named = replace(log.clients, member="worker-1")
    async with joining(log.clients, log.topics.main) as stays:
        assert len(await stays.given.get()) == 2
        async with joining(named, log.topics.main) as before:
            assert len(await stays.given.get()) == 1
            had = await before.given.get()

        async with joining(named, log.topics.main) as again:
            assert await again.given.get() == had
        assert stays.given.empty(), "it was given its partitions anew"
