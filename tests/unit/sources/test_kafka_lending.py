"""Lending and settling: in which order writes become durable, and what faults leave."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError

from keyrelay.model.claim import Arrival, ClaimStatus
from keyrelay.model.settlement import Done, Settlement, TryAgain
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.lease import KafkaLease
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions
from keyrelay.sources.kafka.queue import KafkaQueue
from keyrelay.sources.kafka.records.made_up_ids import made_up_id
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.queues import BURY, UntilIdle, trigger
from tests.fakes import Story
from tests.memory_claims import Entry
from tests.samples import MAIL_SECRET, NOON, OTHER_PROFILE, PROFILE
from tests.unit.sources.kafka_fakes import House, positions_of
from tests.unit.sources.kafka_records import (
    LONG,
    MAIN,
    SHORT,
    milliseconds,
    parked,
    raw,
)

pytestmark = pytest.mark.timeout(20)

AGAIN = TryAgain(after=timedelta(seconds=7))
HELD = TryAgain(after=timedelta(hours=1), waits_for=MAIL_SECRET)


class Releases(Story):
    """A story that tells of each event whether the offset was released before it."""

    queue: KafkaQueue

    def tell(self, event: str) -> None:
        moved = positions_of(self.queue).uncommitted()
        super().tell(f"{event} (released)" if moved else event)


@pytest.fixture
def house() -> House:
    return House(story=Releases())


@pytest.fixture
async def queue(house: House) -> AsyncIterator[KafkaQueue]:
    async with house.queue(MAIN, SHORT, LONG) as queue:
        assert isinstance(house.story, Releases)
        house.story.queue = queue
        yield queue


# The order is the guarantee


@pytest.mark.parametrize(
    ("settlement", "events"),
    [
        (Done(), ["end t1: done"]),
        (AGAIN, ["write t.retry.5s", "end t1: parked"]),
        (HELD, ["write t.held", "end t1: parked"]),
        (BURY, ["write t.dead", "end t1: buried"]),
    ],
    ids=["done", "again", "held", "buried"],
)
async def test_a_trigger_is_claimed_attempted_written_ended_and_only_then_released(
    house: House, queue: KafkaQueue, settlement: Settlement, events: list[str]
) -> None:
    house.consumer.feed(raw(trigger().encode()))

    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    house.story.tell("attempt")
    await lease.settle(settlement)
    house.story.tell("afterwards")

    assert house.story.events == [
        "claim t1",
        "attempt",
        *events,
        "afterwards (released)",
    ]


async def test_a_malformed_record_is_written_before_it_is_released(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(b"{"))

    assert await queue.lease(UntilIdle()) is None
    house.story.tell("afterwards")

    kept = ["keep letter", "write t.dead"]
    assert house.story.events == [*kept, "afterwards (released)"]
    (letter,) = house.buried
    assert (letter.trigger.profile, letter.trigger.raw) == (PROFILE, b"{")
    assert letter.trigger.id == made_up_id(raw(b"{"))
    assert letter.reason.startswith("t/0/0: ")


async def test_a_malformed_record_of_which_no_letter_is_kept_is_not_released(
    house: House, queue: KafkaQueue
) -> None:
    house.buries = Unavailable("the database does not answer")
    house.consumer.feed(raw(b"{"))
    with pytest.raises(Unavailable):
        await queue.lease(UntilIdle())
    house.story.tell("meanwhile")

    house.buries = None
    assert await queue.lease(UntilIdle()) is None
    house.story.tell("afterwards")

    assert house.story.events == [
        "meanwhile",
        "keep letter",
        "write t.dead",
        "afterwards (released)",
    ]


@pytest.mark.parametrize(
    ("value", "profile"),
    [
        (b'{"profile": "%s"}' % OTHER_PROFILE.encode(), OTHER_PROFILE),
        (b'{"profile": "north"}', None),
        (b'{"profile": 5}', None),
        (b"{}", None),
        (b"[]", None),
        (b"\xff", None),
        (None, None),
    ],
)
async def test_in_a_topic_of_all_profiles_the_letter_is_for_the_one_that_is_named(
    value: bytes | None, profile: str | None
) -> None:
    house = House(story=Story(), profile=None)
    async with house.queue(MAIN) as queue:
        house.consumer.feed(raw(value))

        assert await queue.lease(UntilIdle()) is None

    named = [letter.trigger.profile for letter in house.buried]
    assert named == ([] if profile is None else [profile])


async def test_what_is_early_is_written_before_it_is_released(
    house: House, queue: KafkaQueue
) -> None:
    headers = parked(trigger(), due=NOON + timedelta(seconds=9))
    house.consumer.feed(raw(trigger().encode(), of=SHORT, headers=headers))
    assert await queue.lease(UntilIdle()) is None
    house.clock.time += timedelta(seconds=2)

    assert await queue.lease(UntilIdle()) is None
    house.story.tell("afterwards")

    assert house.story.events == ["write t.retry.5s", "afterwards (released)"]


async def test_what_is_known_is_released_without_an_attempt(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()), raw(trigger().encode(), offset=1))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    await lease.settle(Done())
    house.clock.time += timedelta(seconds=1)

    assert await queue.lease(UntilIdle()) is None

    assert positions_of(queue).uncommitted() == {MAIN: 2}


# Faults in between


@pytest.mark.parametrize("settlement", [AGAIN, BURY], ids=["again", "buried"])
async def test_what_could_not_be_written_ends_no_claim_and_releases_nothing(
    house: House, queue: KafkaQueue, settlement: Settlement
) -> None:
    house.consumer.feed(raw(trigger().encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None

    house.producer.fault = KafkaConnectionError()
    with pytest.raises(Unavailable, match="topics check"):
        await lease.settle(settlement)
    assert house.story.events == ["claim t1"]
    assert positions_of(queue).uncommitted() == {}
    house.producer.fault = None
    await lease.settle(settlement)

    assert positions_of(queue).uncommitted() == {MAIN: 1}


@pytest.mark.parametrize("settlement", [Done(), AGAIN, BURY], ids=repr)
async def test_what_was_written_is_not_written_again_after_the_claims_did_not_answer(
    house: House, queue: KafkaQueue, settlement: Settlement
) -> None:
    house.consumer.feed(raw(trigger().encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None

    house.claims.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await lease.settle(settlement)
    assert positions_of(queue).uncommitted() == {}
    house.claims.down = False
    await lease.settle(settlement)

    written = [event for event in house.story.events if event.startswith("write")]
    assert len(written) == (0 if isinstance(settlement, Done) else 1)
    assert positions_of(queue).uncommitted() == {MAIN: 1}


async def test_a_lease_that_lost_its_claim_changes_nothing_of_it(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    before = dict(house.book.entries)
    house.book.dead.append(house.claims)
    other = House(book=house.book)
    async with other.queue(MAIN) as theirs:
        other.consumer.feed(raw(trigger().encode()))
        taken_over = await theirs.lease(asyncio.Event())
        assert taken_over is not None
        assert (taken_over.number, taken_over.repeats) == (2, True)
        owned = dict(house.book.entries)

        await lease.settle(Done())

        assert house.book.entries == owned != before
        await taken_over.settle(Done())


async def test_loans_that_are_claimed_are_lent_though_the_next_claim_fails(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger("known").encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    await lease.settle(Done())
    values = [trigger(id_).encode() for id_ in ("known", "t1", "t2")]
    house.claims.calls = 1  # it tells that one is known and one is ours; then it fails

    lanes = [asyncio.create_task(queue.lease(asyncio.Event())) for _ in range(2)]
    house.consumer.feed(*(raw(value, offset=n) for n, value in enumerate(values, 1)))
    ended = await asyncio.gather(*lanes, return_exceptions=True)

    lent = [each for each in ended if isinstance(each, KafkaLease)]
    assert [each.trigger.id for each in lent] == ["t1"]
    assert [type(each) for each in ended if each not in lent] == [Unavailable]


async def test_what_could_not_be_moved_is_moved_later_and_never_lent_early(
    house: House, queue: KafkaQueue
) -> None:
    headers = parked(trigger(), due=NOON + timedelta(hours=1))
    house.clock.time += timedelta(seconds=2)
    house.consumer.feed(raw(trigger().encode(), of=SHORT, headers=headers))
    house.clock.time += timedelta(seconds=2)

    house.producer.fault = KafkaConnectionError()
    with pytest.raises(Unavailable):
        await queue.lease(UntilIdle())
    house.producer.fault = None
    house.clock.time += timedelta(seconds=1)

    assert await queue.lease(UntilIdle()) is None
    assert house.story.events == ["write t.retry.10m"]
    assert positions_of(queue).uncommitted() == {SHORT: 1}


async def test_what_cannot_be_moved_stops_no_other_trigger(
    house: House, queue: KafkaQueue
) -> None:
    headers = parked(trigger("early"), due=NOON + timedelta(hours=1))
    value = trigger("early").encode()
    house.consumer.feed(raw(value, of=SHORT, headers=headers))
    assert await queue.lease(UntilIdle()) is None
    house.clock.time += timedelta(seconds=2)

    house.producer.fault = KafkaConnectionError()
    values = (b"{", trigger("t1").encode(), trigger("t2").encode())
    lanes = [asyncio.create_task(queue.lease(asyncio.Event())) for _ in range(4)]
    house.consumer.feed(*(raw(each, offset=n) for n, each in enumerate(values)))
    ended = await asyncio.gather(*lanes, return_exceptions=True)

    lent = [each for each in ended if isinstance(each, KafkaLease)]
    assert [each.trigger.id for each in lent] == ["t1", "t2"]
    assert {type(each) for each in ended} == {KafkaLease, Unavailable}
    assert positions_of(queue).uncommitted() == {}


async def test_what_no_topic_takes_waits_in_memory_and_is_not_released(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    house.producer.fault = MessageSizeTooLargeError()

    await lease.settle(replace(AGAIN, done=frozenset({"x"})))

    assert positions_of(queue).uncommitted() == {}
    assert await queue.lease(UntilIdle()) is None
    house.clock.time += AGAIN.after
    again = await queue.lease(asyncio.Event())
    assert again is not None
    assert (again.number, again.repeats) == (2, False)
    assert again.done == frozenset({"x"})


async def test_what_is_early_and_no_topic_takes_waits_in_memory_until_it_is_due(
    house: House, queue: KafkaQueue
) -> None:
    due = NOON + timedelta(seconds=9)
    house.consumer.feed(
        raw(trigger().encode(), of=SHORT, headers=parked(trigger(), due=due))
    )
    house.producer.fault = MessageSizeTooLargeError()
    assert await queue.lease(UntilIdle()) is None
    house.clock.time += timedelta(seconds=2)

    assert await queue.lease(UntilIdle()) is None
    assert positions_of(queue).uncommitted() == {}
    house.clock.time = due

    assert (await queue.lease(asyncio.Event())) is not None


async def test_a_wake_during_the_attempt_is_for_it_too(
    house: House, queue: KafkaQueue
) -> None:
    house.consumer.feed(raw(trigger().encode()))
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    await queue.wake(MAIL_SECRET)

    await lease.settle(HELD)

    assert house.producer.due == [NOON.isoformat().encode()]


async def test_an_ordered_trigger_waits_in_its_place_and_is_not_released() -> None:
    house = House()
    async with house.queue(MAIN, options=KafkaOptions(ordered=True)) as queue:
        house.consumer.feed(raw(trigger(key="k").encode()))
        lease = await queue.lease(asyncio.Event())
        assert lease is not None

        await lease.settle(AGAIN)

        assert house.story.events == ["claim t1", "end t1: parked"]
        assert positions_of(queue).uncommitted() == {}
        house.clock.time += AGAIN.after
        again = await queue.lease(asyncio.Event())
        assert again is not None
        assert again.number == 2


# What a person holds


def _stands(house: House, status: ClaimStatus) -> None:
    arrival = Arrival(profile=PROFILE, id="t1")
    house.book.entries[PROFILE, "t1"] = Entry(
        arrival=arrival, status=status, owner=house.claims, claimed_at=NOON
    )


async def test_what_a_person_holds_is_written_again_and_released(
    house: House, queue: KafkaQueue
) -> None:
    _stands(house, ClaimStatus.HELD)
    house.consumer.feed(raw(trigger().encode()), raw(trigger("t2").encode(), offset=1))

    lease = await queue.lease(asyncio.Event())

    assert lease is not None
    assert lease.trigger.id == "t2"
    assert "write t.retry.30s" in house.story.events
    assert house.producer.due == [(NOON + timedelta(seconds=30)).isoformat().encode()]
    assert positions_of(queue).uncommitted()


async def test_what_a_person_holds_is_attempted_once_it_is_released(
    house: House, queue: KafkaQueue
) -> None:
    _stands(house, ClaimStatus.HELD)
    house.consumer.feed(raw(trigger().encode()))
    assert await queue.lease(UntilIdle()) is None

    _stands(house, ClaimStatus.PARKED)
    headers = parked(trigger(), due=NOON, sequence=0)
    house.consumer.feed(raw(trigger().encode(), offset=1, headers=headers))

    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    assert (lease.number, lease.repeats) == (1, False)


async def test_what_a_person_holds_is_never_released_unwritten(
    house: House, queue: KafkaQueue
) -> None:
    _stands(house, ClaimStatus.HELD)
    house.consumer.feed(raw(trigger().encode()))
    house.producer.fault = KafkaConnectionError()

    assert await queue.lease(UntilIdle()) is None
    assert not positions_of(queue).uncommitted()

    house.producer.fault = None
    await house.clock.pass_time(timedelta(seconds=2))
    assert await queue.lease(UntilIdle()) is None
    assert positions_of(queue).uncommitted()


async def test_what_a_person_cancelled_is_released_unattempted(
    house: House, queue: KafkaQueue
) -> None:
    _stands(house, ClaimStatus.CANCELLED)
    house.consumer.feed(raw(trigger().encode()))

    assert await queue.lease(UntilIdle()) is None
    assert positions_of(queue).uncommitted()


# Without claims


@pytest.mark.parametrize(
    ("died", "repeats"), [(timedelta(seconds=1), True), (None, False)]
)
async def test_what_a_dead_worker_may_have_attempted_is_said_to_repeat(
    house: House, died: timedelta | None, *, repeats: bool
) -> None:
    before = None if died is None else NOON + died
    options, none = KafkaOptions(cut_before=before), Unclaimed()
    access = ClaimAccess(claims=none, states=none, people=none, kept=False)
    async with house.queue(MAIN, options=options, access=access) as queue:
        house.consumer.feed(raw(trigger().encode()))

        lease = await queue.lease(asyncio.Event())

    assert lease is not None
    assert (lease.repeats, lease.unsettled) == (repeats, None)


@pytest.mark.parametrize("kept", [True, False])
async def test_after_a_rebalance_only_claims_tell_what_was_not_attempted(
    house: House, *, kept: bool
) -> None:
    none = Unclaimed()
    access = ClaimAccess(claims=none, states=none, people=none, kept=kept)
    async with house.queue(MAIN, access=access) as queue:
        house.clock.time += timedelta(seconds=1)
        await house.consumer.give(MAIN)
        later = milliseconds(NOON + timedelta(seconds=2))
        house.consumer.feed(
            raw(trigger().encode()),
            raw(trigger("t2").encode(), offset=1, timestamp=later),
        )
        house.clock.time += timedelta(seconds=1)

        leases = [await queue.lease(asyncio.Event()) for _ in range(2)]

    assert [lease and lease.repeats for lease in leases] == [not kept, False]
