"""The queue in Kafka: what becomes of a trigger on its way through the topics."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from keyrelay.model.backlog import TriggerState
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury, Done, Settlement, TryAgain
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.options import ASIDE, ClaimAccess, TopicOwner, Window
from keyrelay.sources.kafka.queue import open_queue
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.kafka_logs import OPTIONS, Log, Member, a_log, said
from tests.contract.queues import BURY, letter, trigger
from tests.memory_claims import MemoryClaims
from tests.samples import DAY, MAIL_SECRET, PROFILE
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(60)

HOUR = timedelta(hours=1)
DRAIN = replace(OPTIONS, drain=True)
ADA = frozenset({"ada@b.example"})
AGAIN = TryAgain(after=timedelta(seconds=20), done=ADA, reason="451 later")
HELD = TryAgain(after=HOUR, spent=False, waits_for=MAIL_SECRET, reason="paused")


@pytest.fixture
async def log(kafka: Kafka) -> Log:
    return await a_log(kafka)


async def settle_next(member: Member, settlement: Settlement) -> None:
    await (await member.lease()).settle(settlement)


# Accepting


async def test_what_was_accepted_is_known_before_any_worker_reads_it(log: Log) -> None:
    async with log.member() as member:
        assert await member.queue.accept(trigger())

        status = await member.queue.status(PROFILE, "t1")
        assert status is not None
        assert status.state is TriggerState.WAITING
        again = [trigger(), trigger("t2"), trigger("t2")]
        assert await member.queue.accept_all(again) == [False, True, False]
        assert await member.queue.unread() == 2
    assert len(await log.read(log.topics.main)) == 2


async def test_of_two_processes_that_accept_the_same_at_once_one_has_it_attempted(
    log: Log,
) -> None:
    async with log.member(DRAIN) as one, log.member(DRAIN) as two:
        await asyncio.gather(*(each.queue.accept(trigger()) for each in (one, two)))

        await settle_next(one, Done())
        assert await one.queue.lease(asyncio.Event()) is None


@dataclass(slots=True, kw_only=True, eq=False)
class CutShort(MemoryClaims):
    """Claims of a process that ends after the broker has acknowledged a record."""

    async def accept(self, _: Sequence[Trigger]) -> None:
        raise Unavailable("the process has ended")


async def test_a_crash_before_the_claim_is_mended_by_the_worker_that_reads_the_record(
    log: Log,
) -> None:
    cut = CutShort(world=log.clock.world(), book=log.book)
    access = ClaimAccess(claims=cut, states=cut, people=Unclaimed())
    owner = TopicOwner(profile=PROFILE)
    opened = open_queue(log.clients, access, log.clock.world(), OPTIONS, owner)
    async with opened as publishing:
        assert await publishing.accept(trigger())
        assert await publishing.status(PROFILE, "t1") is None

    async with log.member() as member:
        lease = await member.lease()
        assert (lease.trigger, lease.number) == (trigger(), 1)
        assert not await member.queue.accept(trigger())
        await lease.settle(Done())
        assert not await member.queue.accept(trigger())
    assert len(await log.read(log.topics.main)) == 1


async def test_what_its_topic_does_not_take_is_not_known(kafka: Kafka) -> None:
    log = await a_log(kafka, settings={"": {"max.message.bytes": "2000"}})
    large = replace(trigger("large"), key="k" * 4000)
    async with log.member() as member:
        with pytest.raises(Unavailable, match="takes no record of this size"):
            await member.queue.accept_all([large, large])

        assert await member.queue.status(PROFILE, "large") is None
        assert await member.queue.accept(trigger())
        assert (await member.lease()).trigger == trigger()


# Settling


async def test_an_accepted_trigger_is_lent_and_done_once(log: Log) -> None:
    async with log.member() as member:
        assert await member.queue.accept(trigger())

        lease = await member.lease()
        assert (lease.trigger, lease.number, lease.repeats) == (trigger(), 1, False)
        assert lease.done == frozenset()
        await lease.settle(Done())

    assert await log.committed() == {log.topics.main: 1}


async def test_what_is_not_settled_is_read_again_and_its_claim_counts(log: Log) -> None:
    async with log.member() as member:
        for id_ in ("t1", "t2"):
            await member.queue.accept(trigger(id_))
        first, second = await member.leases(2)
        await second.settle(Done())
    assert await log.committed() == {}
    log.book.dead.append(member.claims)

    async with log.member(DRAIN) as other:
        again = await other.lease()

        assert again.trigger.id == first.trigger.id
        assert (again.number, again.repeats) == (2, True)
        await again.settle(Done())
        assert await other.queue.lease(asyncio.Event()) is None
    assert await log.committed() == {log.topics.main: 2}


async def test_what_is_to_be_tried_again_is_in_a_retry_topic_until_it_is_due(
    log: Log,
) -> None:
    async with log.member() as member:
        before = log.clock.now()
        await member.queue.accept(trigger())
        await settle_next(member, AGAIN)

        (record,) = await log.read(f"{log.topics.main}.retry.5s")
        headers = dict(said(record))
        due = datetime.fromisoformat(headers.pop("due"))
        assert before + AGAIN.after < due <= log.clock.now() + AGAIN.after
        dated = datetime.fromisoformat(headers.pop("dated"))
        assert before <= dated <= log.clock.now()
        assert headers == {
            "life": "0",
            "turn": "1",
            "attempts": "1",
            "cut": "false",
            "done": '["ada@b.example"]',
            "reason": "451 later",
            "origin": f"{log.topics.main}/0/0",
        }

        log.clock.advance(AGAIN.after)
        again = await member.lease()
        assert (again.trigger, again.number, again.done) == (trigger(), 2, ADA)
        assert not again.repeats
        await again.settle(Done())
    committed = await log.committed()
    assert committed == {log.topics.main: 1, record.topic: 1}


async def test_a_retry_keeps_its_time_and_its_origin_from_topic_to_topic(
    log: Log,
) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, AGAIN)
        (first,) = await log.read(f"{log.topics.main}.retry.5s")

        log.clock.advance(timedelta(seconds=6))
        waiting = asyncio.create_task(member.lease())
        second = await log.nth(f"{log.topics.main}.retry.5s", 1)
        log.clock.advance(timedelta(seconds=14))

        assert (await waiting).trigger.id == "t1"
    for name in ("due", "origin", "attempts", "turn", "life", "done"):
        assert said(second)[name] == said(first)[name]


async def test_a_retry_outlives_the_worker_that_wrote_it(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, replace(AGAIN, spent=False))
    log.clock.advance(AGAIN.after)

    async with log.member() as other:
        lease = await other.lease()

    assert (lease.number, lease.repeats, lease.done) == (1, False, ADA)


async def test_a_buried_trigger_is_in_the_dead_letter_topic(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger(key="k"))
        await settle_next(member, BURY)
        status = await member.queue.status(PROFILE, "t1")

    (record,) = await log.read(log.topics.dead)
    assert said(record) == {
        "reason": "refused",
        "fault": "definition",
        "attempts": "1",
        "origin": f"{log.topics.main}/0/0",
    }
    assert (record.value, record.key) == (trigger(key="k").encode(), b"k")
    assert status is not None
    assert status.state is TriggerState.BURIED
    assert await log.committed() == {log.topics.main: 1}


async def test_a_trigger_that_a_producer_sends_twice_is_attempted_once(
    log: Log,
) -> None:
    await log.write(trigger().encode(), trigger().encode())
    async with log.member(DRAIN) as member:
        await settle_next(member, Done())

        assert await member.queue.lease(asyncio.Event()) is None
        assert not await member.queue.accept(trigger())
    assert await log.committed() == {log.topics.main: 2}


async def test_settling_goes_on_after_the_claims_did_not_answer(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        lease = await member.lease()
        member.claims.down = True
        with pytest.raises(Unavailable):
            await lease.settle(AGAIN)
        with pytest.raises(Unavailable):
            await lease.settle(AGAIN)
        assert (await member.queue.depth()).waiting == 2
        member.claims.down = False

        await lease.settle(AGAIN)

        assert len(await log.read(f"{log.topics.main}.retry.5s")) == 1
        assert (await member.queue.depth()).waiting == 1


async def test_nothing_is_lent_or_lost_while_the_claims_do_not_answer(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, Done())
        member.claims.down = True
        with pytest.raises(Unavailable):
            await member.queue.accept(trigger("t3"))
        await log.write(trigger("t2").encode())
        with pytest.raises(Unavailable):
            await member.lease()
        member.claims.down = False

        lease = await member.lease()

    assert (lease.trigger.id, lease.number, lease.repeats) == ("t2", 1, False)


# Waking


async def test_a_replaced_secret_makes_due_what_waits_for_it(log: Log) -> None:
    async with log.member() as member:
        for id_ in ("t1", "t2"):
            await member.queue.accept(trigger(id_))
        for lease in await member.leases(2):
            await lease.settle(HELD)
        (first, _) = await log.read(log.topics.held)
        assert said(first)["waits-for"] == MAIL_SECRET
        waiting = asyncio.gather(member.lease(), member.lease())

        await member.queue.wake(MAIL_SECRET)

        again = await waiting
        assert {lease.trigger.id for lease in again} == {"t1", "t2"}
        assert [lease.number for lease in again] == [1, 1]


async def test_a_member_that_comes_later_wakes_what_waited_before(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, HELD)

    async with log.member() as other:
        await other.queue.wake_all()

        assert (await other.lease()).trigger == trigger()


async def test_a_wake_during_the_attempt_counts(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        lease = await member.lease()
        await member.queue.wake(MAIL_SECRET)

        await lease.settle(HELD)

        assert (await member.lease()).trigger == trigger()


# Redriving and draining


async def test_a_redriven_trigger_leaves_out_what_was_done(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, BURY)

        assert await member.queue.redrive(letter(trigger()))
        log.clock.advance(timedelta(seconds=1))

        lease = await member.lease()
        assert (lease.trigger.id, lease.number, lease.done) == ("t1", 1, BURY.done)
        assert lease.trigger.lifetime.deadline >= log.clock.now() + DAY - HOUR
        await lease.settle(Done())
        assert not await member.queue.redrive(letter(trigger()))


async def test_what_waits_or_is_leased_is_not_redriven(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        lease = await member.lease()
        assert not await member.queue.redrive(letter(trigger()))
        await lease.settle(AGAIN)

        assert not await member.queue.redrive(letter(trigger()))


async def test_a_draining_queue_ends_once_nothing_is_due_or_leased(log: Log) -> None:
    async with log.member(DRAIN) as member:
        for id_ in ("t1", "t2"):
            await member.queue.accept(trigger(id_))
        first, second = await member.leases(2)
        third = asyncio.create_task(member.queue.lease(asyncio.Event()))
        await first.settle(Done())
        await second.settle(AGAIN)

        assert await third is None


# Depth and lag


async def test_the_depth_is_what_no_member_has_settled(log: Log) -> None:
    async with log.member() as member:
        for id_ in ("t1", "t2", "t3"):
            await member.queue.accept(trigger(id_))
        first, second, _ = await member.leases(3)
        await first.settle(Done())
        await second.settle(AGAIN)

        depth = await member.queue.depth()

        assert (depth.waiting, depth.due) == (2, 1)


async def test_what_is_not_settled_is_told_partition_by_partition(log: Log) -> None:
    async with log.member() as member:
        assert not await member.queue.unsettled()
        for id_ in ("t1", "t2", "t3"):
            await member.queue.accept(trigger(id_))
        before = log.clock.now()
        await settle_next(member, Done())
        await member.queue.depth()  # which commits

        backlogs = await member.queue.unsettled()

    assert {each.topic for each in backlogs} == {log.topics.main}
    assert sum(each.waiting for each in backlogs) == 2
    ages = [before - each.oldest for each in backlogs if each.oldest is not None]
    assert ages
    assert all(timedelta() <= age < HOUR for age in ages)


async def test_the_lag_is_what_this_process_has_to_do(log: Log) -> None:
    async with log.member() as member:
        for id_ in ("t1", "t2"):
            await member.queue.accept(trigger(id_))
        await settle_next(member, Done())
        log.clock.advance(HOUR)

        lags = {each.topic: each for each in await member.queue.lags()}

        assert set(lags) == set(log.topics.read)
        assert lags[log.topics.main].waiting == 1
        assert HOUR <= lags[log.topics.main].age < HOUR + timedelta(minutes=2)


async def test_before_anything_is_read_no_lag_is_known(log: Log) -> None:
    async with log.member() as member:
        with pytest.raises(Unavailable):
            await member.queue.lags()


async def test_a_bury_for_a_system_fault_says_so(log: Log) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        await settle_next(member, Bury(reason="gave up ☂", fault=Fault.SYSTEM))

    (record,) = await log.read(log.topics.dead)
    assert (said(record)["fault"], said(record)["reason"]) == ("system", "gave up ☂")


# Attempts that last


async def test_an_attempt_that_lasts_holds_up_no_other_and_a_crash_loses_it_not(
    log: Log,
) -> None:
    few = replace(OPTIONS, window=Window(records=8))
    async with log.member(few) as member:
        await log.write(*(trigger(f"t{number}").encode() for number in range(20)))
        lasting = await member.lease()
        for _ in range(19):
            await settle_next(member, Done())
        await log.write(*(trigger(f"t{number}").encode() for number in range(20, 40)))

        log.clock.advance(timedelta(seconds=10))
        for _ in range(20):
            await settle_next(member, Done())
    assert await log.committed() == {log.topics.main: 40}
    log.book.dead.append(member.claims)

    log.clock.advance(ASIDE)
    async with log.member(few) as other:
        again = await other.lease()

        assert again.trigger.id == lasting.trigger.id == "t0"
        assert (again.number, again.repeats) == (2, True)
        assert again.unsettled is not None
        assert again.unsettled.is_last
        await again.settle(Done())


async def test_an_attempt_that_lasts_and_is_settled_in_the_end_is_made_once(
    log: Log,
) -> None:
    async with log.member() as member:
        await member.queue.accept(trigger())
        lasting = await member.lease()
        log.clock.advance(timedelta(seconds=10))
        await log.nth(f"{log.topics.main}.retry.30s", 0)
        await lasting.settle(Done())

    log.clock.advance(ASIDE)
    async with log.member(DRAIN) as other:
        assert await other.queue.lease(asyncio.Event()) is None
    committed = await log.committed()
    assert committed == {log.topics.main: 1, f"{log.topics.main}.retry.30s": 1}
