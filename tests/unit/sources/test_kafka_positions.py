"""Positions: whatever happens between two commits, no undone record is passed over."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiokafka.structs import TopicPartition
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.records.position import FetchPosition
from tests.samples import NOON

SECOND = timedelta(seconds=1)
FIRST, SECOND_ONE = TopicPartition("t", 0), TopicPartition("t", 1)
ELSEWHERE = TopicPartition("u", 0)
PARTITIONS = st.sampled_from([FIRST, SECOND_ONE])


def take(
    positions: Positions, *offsets: int, of: TopicPartition = FIRST, size: int = 1
) -> list[FetchPosition]:
    """Take each a second after the one before, an hour after it was written."""
    return [
        positions.track(of, offset, size, at, at - timedelta(hours=1))
        for offset, at in ((each, NOON + each * SECOND) for each in offsets)
    ]


def done(positions: Positions, *fetched: FetchPosition) -> None:
    for position in fetched:
        positions.settle(position)


# Any interleaving


@dataclass
class Reading:
    """One assignment of a partition: where it reads next, and what it has released."""

    next: int
    begins: int
    released: set[int] = field(default_factory=set)


@dataclass
class Partition:
    """A log with holes, and what its group knows; `reading` while it is assigned."""

    offsets: list[int] = field(default_factory=list)
    committed: int = 0
    reading: Reading | None = None


@dataclass(eq=False)
class Taken:
    position: FetchPosition
    reading: Reading


class Group(RuleBasedStateMachine):
    """Records come, are taken and settled in any order, late ones, too; partitions
    are lost and come back, and begin where the last commit says."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = self.made()
        self.partitions = {FIRST: Partition(), SECOND_ONE: Partition()}
        self.taken: list[Taken] = []

    def made(self) -> Positions:
        return Positions()

    @initialize(steps=st.lists(st.integers(1, 3), min_size=8, max_size=8))
    def write(self, steps: list[int]) -> None:
        for log in self.partitions.values():
            log.offsets = list(itertools.accumulate(steps))

    @rule(partition=PARTITIONS, most=st.integers(1, 3))
    def take(self, partition: TopicPartition, most: int) -> None:
        log = self.partitions[partition]
        reading = log.reading = log.reading or Reading(log.committed, log.committed)
        for offset in [each for each in log.offsets if each >= reading.next][:most]:
            position = self.positions.track(partition, offset, 10, NOON, NOON)
            self.taken.append(Taken(position, reading))
            reading.next = offset + 1

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Settle anything that was ever taken, also what was settled already."""
        if self.taken:
            taken = data.draw(st.sampled_from(self.taken))
            self.positions.settle(taken.position)
            taken.reading.released.add(taken.position.offset)

    @rule(partition=PARTITIONS)
    def revoke(self, partition: TopicPartition) -> None:
        self.positions.revoke(partition)
        self.partitions[partition].reading = None

    @rule(refused=st.booleans())
    def commit(self, *, refused: bool) -> None:
        """What is committed was settled, and all that could be committed is."""
        offsets = self.positions.uncommitted()
        for partition, log in self.partitions.items():
            if (reading := log.reading) is None:
                assert partition not in offsets
                continue
            taken = [o for o in log.offsets if reading.begins <= o < reading.next]
            undone = [o for o in taken if o not in reading.released]
            settled = [o for o in taken if not undone or o < undone[0]]
            reached = settled[-1] + 1 if settled else 0
            commits = offsets.get(partition, log.committed)
            assert commits <= max(reached, log.committed), "an undone record is passed"
            assert commits >= reached, "a settled record is held back"
        if not refused:
            self.positions.committed(offsets)
            for partition, offset in offsets.items():
                self.partitions[partition].committed = offset


class Counted(Group):
    @invariant()
    def what_is_under_way_is_counted(self) -> None:
        under_way = 0
        for partition, log in self.partitions.items():
            here = [t for t in self.taken if t.reading is log.reading]
            open_ = {t.position.offset for t in here} - (
                log.reading.released if log.reading else set()
            )
            assert self.positions.unsettled(partition) == len(open_)
            under_way += len(open_)
        assert self.positions.bytes == 10 * under_way


class Unguarded(Positions):
    """Positions that take an acknowledgement for good, however late it comes."""

    def is_current(self, position: FetchPosition) -> bool:
        return self.span(position.partition) > 0


class WithoutGuard(Group):
    """The proof that the guard in Positions.is_current is what keeps the promise: the
    machine above fails without it, as it does when the line itself is taken out."""

    def made(self) -> Positions:
        return Unguarded()


def test_only_what_comes_before_the_first_undone_record_is_ever_committed() -> None:
    run_state_machine_as_test(
        Counted, settings=settings(max_examples=60, stateful_step_count=25)
    )


def test_the_same_would_not_hold_if_late_acknowledgements_counted() -> None:
    quick = settings(
        max_examples=300,
        stateful_step_count=25,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )

    with pytest.raises(AssertionError, match="an undone record is passed"):
        run_state_machine_as_test(WithoutGuard, settings=quick)


# The same in single steps


def test_a_record_holds_up_all_that_come_after_it() -> None:
    positions = Positions()
    first, second, third = take(positions, 0, 1, 2)

    done(positions, third, second)
    assert positions.uncommitted() == {}
    done(positions, first)

    assert positions.uncommitted() == {FIRST: 3}


def test_partitions_hold_up_only_themselves() -> None:
    positions = Positions()
    take(positions, 0)
    done(positions, *take(positions, 0, of=SECOND_ONE))

    assert positions.uncommitted() == {SECOND_ONE: 1}


def test_a_partition_with_holes_is_committed_after_its_last_record() -> None:
    positions = Positions()

    done(positions, *take(positions, 7, 8, 100))

    assert positions.uncommitted() == {FIRST: 101}


def test_what_was_committed_is_not_committed_again() -> None:
    positions = Positions()
    first, second = take(positions, 0, 1)
    done(positions, first)
    positions.committed(positions.uncommitted())

    assert positions.uncommitted() == {}
    done(positions, second)
    assert positions.uncommitted() == {FIRST: 2}


def test_a_late_acknowledgement_after_a_revocation_moves_nothing() -> None:
    positions = Positions()
    (late,) = take(positions, 0)
    positions.revoke(FIRST)

    done(positions, late)
    assert (positions.uncommitted(), positions.span(FIRST)) == ({}, 0)
    take(positions, 0)
    done(positions, late)

    assert (positions.uncommitted(), positions.unsettled(FIRST)) == ({}, 1)


def test_a_commit_of_an_assignment_that_is_over_says_nothing_of_the_next() -> None:
    positions = Positions()
    done(positions, *take(positions, 0, 1, 2))
    under_way = positions.uncommitted()
    positions.revoke(FIRST)
    done(positions, *take(positions, 0)[:1])

    positions.committed(under_way)

    done(positions, *take(positions, 1))
    assert positions.uncommitted() == {FIRST: 2}


def test_a_topic_that_was_made_anew_begins_anew() -> None:
    positions = Positions()
    old = take(positions, 5, 6)

    new = take(positions, 2, 3)
    done(positions, *old)
    assert positions.uncommitted() == {}
    done(positions, *new)

    assert positions.uncommitted() == {FIRST: 4}
    assert positions.bytes == 0


def test_settling_twice_counts_once() -> None:
    positions = Positions()
    first, _ = take(positions, 0, 1, size=100)

    done(positions, first, first)

    assert (positions.bytes, positions.unsettled(FIRST)) == (100, 1)


def test_bytes_are_counted_by_topic_and_given_back_with_the_partition() -> None:
    positions = Positions()
    take(positions, 0, 1, size=100)
    take(positions, 0, of=SECOND_ONE, size=30)
    take(positions, 0, of=ELSEWHERE, size=5)

    assert (positions.bytes, positions.bytes_of("t")) == (235, 230)
    positions.revoke(FIRST)

    assert (positions.bytes, positions.bytes_of("t")) == (35, 30)
    assert positions.bytes_of("u") == 5


def test_the_span_counts_from_the_first_undone_record() -> None:
    positions = Positions()
    first, second, *_ = take(positions, 0, 1, 2)

    done(positions, second)
    assert (positions.span(FIRST), positions.unsettled(FIRST)) == (3, 2)
    done(positions, first)

    assert (positions.span(FIRST), positions.unsettled(FIRST)) == (1, 1)


def test_age_is_that_of_the_first_undone_record() -> None:
    positions = Positions()
    first, second, third = take(positions, 0, 1, 2)

    done(positions, second)
    assert positions.first_fetched_at(FIRST) == NOON
    done(positions, first)
    assert positions.first_fetched_at(FIRST) == NOON + 2 * SECOND
    assert positions.first_written_at(FIRST) == NOON + 2 * SECOND - timedelta(hours=1)
    done(positions, third)

    assert (positions.first_fetched_at(FIRST), positions.first_written_at(FIRST)) == (
        None,
        None,
    )


def test_nothing_is_known_of_a_partition_that_is_not_assigned() -> None:
    positions = Positions()

    assert (positions.span(FIRST), positions.unsettled(FIRST)) == (0, 0)
    assert (positions.first_fetched_at(FIRST), positions.first_written_at(FIRST)) == (
        None,
        None,
    )
    positions.committed({FIRST: 3})
    positions.revoke(FIRST)
    assert positions.uncommitted() == {}
