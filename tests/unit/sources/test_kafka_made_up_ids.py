"""Made-up ids: the same whenever a record is read, another for every other record."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.claim import Arrival, ClaimState, ClaimStatus, Ending
from keyrelay.model.settlement import Done
from keyrelay.sources.kafka.options import ClaimAccess
from keyrelay.sources.kafka.records.made_up_ids import (
    FormerIds,
    former_id,
    made_up_id,
)
from keyrelay.sources.kafka.records.record import FetchedRecord, read_published
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.queues import SECOND, UntilIdle, trigger
from tests.fakes import Clock
from tests.memory_claims import Book, MemoryClaims
from tests.samples import DAY, NOON, OTHER_PROFILE, PROFILE
from tests.unit.sources.kafka_fakes import House
from tests.unit.sources.kafka_records import MAIN, MAIN_TOO, milliseconds, raw
from tests.unit.sources.test_kafka_record import BARE, POSITION

pytestmark = pytest.mark.timeout(20)

BYTES = st.none() | st.binary(max_size=6)
RECORDS = st.builds(
    raw,
    BYTES,
    of=st.sampled_from([MAIN, MAIN_TOO]),
    offset=st.integers(0, 2**63 - 1),
    headers=st.lists(st.tuples(st.text(max_size=4), BYTES), max_size=3),
    key=BYTES,
    timestamp=st.integers(-1, 2**63 - 1),
)
HOUR = timedelta(hours=1)


def id_of(record: ConsumerRecord, former: str | None = None) -> str:
    fetched = FetchedRecord(record, POSITION, NOON, former_id=former)
    return read_published(fetched, PROFILE).trigger.id


@given(one=RECORDS, other=RECORDS)
def test_two_records_have_the_same_id_only_if_they_are_the_same(
    one: ConsumerRecord, other: ConsumerRecord
) -> None:
    assert (made_up_id(one) == made_up_id(other)) == (one == other)
    assert made_up_id(replace(one)) == made_up_id(one)


@pytest.mark.parametrize(
    "other",
    [
        raw(BARE, offset=1),
        raw(BARE, of=MAIN_TOO),
        raw(BARE, timestamp=milliseconds(NOON) + 1),
        raw(BARE, key=b""),
        raw(BARE + b" "),
        raw(BARE, headers=[("a", b"")]),
        raw(BARE, headers=[("a", None)]),
    ],
)
def test_a_record_that_differs_in_anything_is_a_trigger_of_its_own(
    other: ConsumerRecord,
) -> None:
    assert id_of(other) != id_of(raw(BARE))


def test_what_stands_in_the_same_place_of_a_topic_made_anew_is_another_trigger() -> (
    None
):
    old, new = (raw(BARE, timestamp=milliseconds(NOON + by)) for by in (0 * DAY, DAY))

    assert id_of(old) != id_of(new)


def test_bytes_do_not_move_from_one_part_of_a_record_to_another() -> None:
    assert made_up_id(raw(b"b", key=b"a")) != made_up_id(raw(b"", key=b"ab"))


def test_the_made_up_id_is_the_same_in_every_release_from_now_on() -> None:
    record = raw(b"v", offset=41, key=b"k", headers=[("h", b"w"), ("n", None)])

    assert made_up_id(record) == "419b7aa4794a47e195f59b36"


def test_the_former_id_is_what_earlier_releases_made_of_the_place() -> None:
    digest = hashlib.sha256(b"t/0/41").hexdigest()

    assert former_id(raw(BARE, offset=41)) == digest[:24]


def test_a_former_id_that_is_claimed_is_kept() -> None:
    assert id_of(raw(BARE), former="a" * 24) == "a" * 24


# After an upgrade


@dataclass(kw_only=True)
class Upgraded:
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    book: Book = field(default_factory=Book)
    upgraded_at: datetime | None = NOON

    def claims(self) -> MemoryClaims:
        return MemoryClaims(world=self.clock.world(), book=self.book)

    def former_ids(self) -> FormerIds:
        return FormerIds(
            states=self.claims(),
            world=self.clock.world(),
            upgraded_at=self.upgraded_at,
            window=DAY,
        )

    async def settle(self, id_: str, profile: str = PROFILE) -> None:
        claims, arrival = self.claims(), Arrival(profile=profile, id=id_)
        await claims.claim([arrival])
        ending = Ending(claimed=arrival, status=ClaimStatus.DONE, then=arrival)
        assert await claims.end([ending]) == [True]


@pytest.mark.parametrize("profile", [PROFILE, OTHER_PROFILE])
async def test_for_a_day_a_claim_under_the_former_id_counts(profile: str) -> None:
    upgraded = Upgraded()
    old, unclaimed = raw(BARE), raw(BARE, offset=1)
    await upgraded.settle(former_id(old), profile)

    upgraded.clock.advance(DAY)
    assert await upgraded.former_ids().claimed([old, unclaimed]) == {former_id(old)}

    upgraded.clock.advance(SECOND)
    assert not await upgraded.former_ids().claimed([old])


async def test_where_no_earlier_release_was_no_former_id_is_asked_for() -> None:
    new = Upgraded(upgraded_at=None)
    await new.settle(former_id(raw(BARE)))

    assert not await new.former_ids().claimed([raw(BARE)])


async def test_what_was_written_after_the_upgrade_has_no_former_id() -> None:
    upgraded = Upgraded()
    at_once, later = (
        raw(BARE, timestamp=milliseconds(NOON + by)) for by in (HOUR - SECOND, HOUR)
    )
    await upgraded.settle(former_id(at_once))

    assert await upgraded.former_ids().claimed([at_once])
    assert not await upgraded.former_ids().claimed([later])


async def test_while_the_claims_do_not_answer_they_are_waited_for() -> None:
    upgraded = Upgraded()
    await upgraded.settle(former_id(raw(BARE)))
    ids = upgraded.former_ids()
    assert isinstance(ids.states, MemoryClaims)
    ids.states.down = True
    asleep = upgraded.clock.next_sleep()

    asking = asyncio.create_task(ids.claimed([raw(BARE)]))
    await asleep.wait()
    ids.states.down = False
    await upgraded.clock.pass_time(SECOND)

    assert await asking == {former_id(raw(BARE))}


async def test_what_an_earlier_release_has_settled_is_not_lent_again() -> None:
    house = House()
    done, own = raw(BARE), raw(trigger("t1").encode(), offset=1)
    access = ClaimAccess(
        claims=house.claims, states=house.claims, people=Unclaimed(), upgraded_at=NOON
    )
    for each in (done, own):
        arrival = Arrival(profile=PROFILE, id=former_id(each))
        await house.claims.claim([arrival])
        ending = Ending(claimed=arrival, status=ClaimStatus.DONE, then=arrival)
        await house.claims.end([ending])

    async with house.queue(MAIN, access=access) as queue:
        house.consumer.feed(done, own, raw(BARE, offset=2))
        lent = []
        while (lease := await queue.lease(UntilIdle())) is not None:
            lent.append(lease.trigger.id)
            await lease.settle(Done())

    assert lent == ["t1", made_up_id(raw(BARE, offset=2))]


async def test_what_is_revoked_while_the_claims_are_asked_is_not_kept() -> None:
    house = House()
    slow = SlowClaims(world=house.clock.world(), book=house.book)
    access = ClaimAccess(
        claims=house.claims, states=slow, people=Unclaimed(), upgraded_at=NOON
    )

    async with house.queue(MAIN, access=access) as queue:
        house.consumer.feed(raw(BARE))
        await slow.asked.wait()
        await house.consumer.take_away()
        slow.answer.set()
        await slow.answered.wait()

        assert await queue.lease(UntilIdle()) is None


@dataclass(slots=True, kw_only=True, eq=False)
class SlowClaims(MemoryClaims):
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def known(self, ids: object) -> frozenset[str]:
        self.asked.set()
        await self.answer.wait()
        self.answered.set()
        return frozenset()

    async def state(self, profile: str, id_: str) -> ClaimState | None:
        return None
