"""The buffer itself: what is drawn when, and where each record goes next.

The states that a record passes through are drawn in this folder's `__init__.py`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from aiokafka.structs import TopicPartition

from keyrelay.concurrency.wakeup import Wakeup
from keyrelay.model.trigger import MalformedTrigger
from keyrelay.sources.kafka.buffer.drawn import Drawn, MalformedRecord
from keyrelay.sources.kafka.buffer.eligibility import Eligibility
from keyrelay.sources.kafka.buffer.fetched import FetchedRecords
from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.buffer.loans import Loans
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.buffer.secret_wakes import SecretWakes
from keyrelay.sources.kafka.buffer.waiting import WaitingRecords
from keyrelay.sources.kafka.options import ASIDE, KafkaOptions
from keyrelay.sources.kafka.records.position import FetchPosition
from keyrelay.sources.kafka.records.record import FetchedRecord, Record, Wait
from keyrelay.sources.kafka.topics.names import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Moves records from one collection to the next, and wakes lanes for them."""

    positions: Positions
    fetched: FetchedRecords
    waiting: WaitingRecords
    loans: Loans
    eligibility: Eligibility
    wakeup: Wakeup

    @property
    def topics(self) -> Topics:
        return self.eligibility.topics

    @property
    def options(self) -> KafkaOptions:
        return self.eligibility.options

    @property
    def on_loan(self) -> int:
        """How many triggers are being attempted, here or by another process."""
        return self.loans.count

    # What Kafka gave

    def put(
        self, partition: TopicPartition, fetched: Collection[FetchedRecord]
    ) -> None:
        self.fetched.add(partition, fetched)
        self.wakeup.wake(len(fetched))

    def forget(self, partitions: Collection[TopicPartition], now: datetime) -> None:
        """Drop what waits of these partitions; what is on loan stays on loan."""
        self.fetched.forget(partitions)
        # First the records behind others of their key: otherwise one that is to be
        # dropped would become the first of its key.
        self.loans.key_order.forget(partitions)
        for record in self.waiting.remove(partitions):
            self._let_next(record, now)

    # What may be lent

    def draw(self, most: int, now: datetime) -> Drawn:
        """Draw at most so many records, one of each partition in turn."""
        drawn = Drawn()
        while len(drawn) < most and (record := self.waiting.pop_due(now)) is not None:
            self._draw_waiting(drawn, record, now)
        while len(drawn) < most and (partitions := self._open(now)):
            for partition in partitions[: most - len(drawn)]:
                self._draw_fetched(drawn, partition, now)
        return drawn

    def due(self, now: datetime) -> int:
        """Return about how many records may be drawn now."""
        fetched = sum(map(self.fetched.count, self._open(now)))
        return self.waiting.count_due(now) + fetched

    def wake_for_due(self, now: datetime) -> None:
        """Wake as many lanes as there are records for; all, to see if all is done."""
        self.waiting.bring_forward(now)
        if self.options.drain:
            self.wakeup.wake_all()
        elif self.wakeup.waiting:
            self.wakeup.wake(self.due(now))

    def wake(self, secret: str | None, now: datetime) -> None:
        """Make due what waits for the secret, here and in Kafka; None, for any."""
        self.eligibility.wakes.note(secret, now)
        self.waiting.wake(secret, now)
        self.wakeup.wake_all()

    # What could not be lent

    def put_back(self, due: Iterable[Record], now: datetime) -> None:
        """Take back what could not be claimed."""
        for record in due:
            self.wait_in_place(record, now)

    def keep(self, drawn: Drawn, now: datetime) -> None:
        """Take back what could not be moved to another topic, and try again later."""
        for record in drawn.early:
            self.wait(record, now + self.options.intervals.busy)
        for malformed in reversed(drawn.malformed):
            self.fetched.add_first(malformed.fetched)

    def attempted_elsewhere(self, record: Record, now: datetime) -> None:
        """Look again later at what another process attempts, or died attempting."""
        self.wait_in_place(record, now + self.options.intervals.busy)
        self.loans.note_elsewhere(record)

    # What becomes of a record

    def wait(self, record: Record, due: datetime) -> None:
        """Look at a record again when it is due."""
        self.waiting.add(record, due)

    def wait_in_place(self, record: Record, due: datetime) -> None:
        """End a loan, and attempt the record again when due, before others of its key.

        Its offset stays unsettled.
        """
        self._take_back(record)
        self.wait(record, due)

    def may_wait_in_place(self, record: Record, waits_for: str | None) -> bool:
        """Tell whether a record that is to wait need not go to another topic."""
        if self.is_in_order(record):
            return True
        partition = record.position.partition
        return waits_for is not None and self.eligibility.may_be_held(partition)

    def is_in_order(self, record: Record) -> bool:
        """Tell whether others of its key wait behind the record, so that it stays."""
        return self.loans.key_order.applies_to(record)

    def set_aside(self, record: Record) -> None:
        """Settle the offset of a record that stays on loan: a copy was written."""
        self.positions.settle(record.position)
        self.loans.set_aside(record)

    def moved(self, position: FetchPosition) -> None:
        """Settle the offset of a record that was never on loan: it was rewritten."""
        self.positions.settle(position)

    def finish(self, record: Record, now: datetime) -> None:
        """End a loan and settle its offset; the next record of its key is due."""
        self.positions.settle(record.position)
        self._take_back(record)
        self._let_next(record, now)
        if self.options.drain:
            self.wakeup.wake_all()
        elif self.is_in_order(record):
            self.wakeup.wake(1)

    def _draw_waiting(self, drawn: Drawn, record: Record, now: datetime) -> None:
        if self.positions.is_current(record.position):
            self._sort(drawn, record, now)
        else:
            self._let_next(record, now)

    def _draw_fetched(
        self, drawn: Drawn, partition: TopicPartition, now: datetime
    ) -> None:
        fetched = self.fetched.pop(partition)
        if not self.positions.is_current(fetched.position):
            return
        try:
            record = self.fetched.decode(fetched)
        except MalformedTrigger as fault:
            malformed = MalformedRecord(fetched=fetched, reason=str(fault))
            drawn.malformed.append(malformed)
            return
        self._sort(drawn, record, now)

    def _sort(self, drawn: Drawn, record: Record, now: datetime) -> None:
        if self.eligibility.is_due(record, now):
            if self.loans.has_set_aside(record):
                drawn.early.append(replace(record, wait=Wait(now + ASIDE)))
            elif self.loans.lend(record):
                drawn.due.append(record)
        elif self.eligibility.may_be_held(record.position.partition):
            assert record.wait is not None
            self.wait(record, record.wait.until)
        else:
            drawn.early.append(record)

    def _open(self, now: datetime) -> list[TopicPartition]:
        """Return the partitions whose first record may be drawn."""
        return [
            partition
            for partition, first in self.fetched.firsts()
            if self.eligibility.may_draw(first, now)
        ]

    def _take_back(self, record: Record) -> None:
        for duplicate in self.loans.take_back(record):
            self.wait(duplicate, duplicate.written_at)  # which is past: due at once

    def _let_next(self, record: Record, now: datetime) -> None:
        following = self.loans.leave(record)
        if following is not None:
            self.wait(following, now)


def new_buffer(
    fetched: FetchedRecords, options: KafkaOptions, holds: Callable[[str], bool]
) -> Buffer:
    """Return a buffer in which there is nothing but what was fetched.

    `holds` is an Eligibility's.
    """
    topics, positions = fetched.topics, Positions()
    return Buffer(
        positions=positions,
        fetched=fetched,
        waiting=WaitingRecords(),
        loans=Loans(key_order=KeyOrder(ordered=options.ordered)),
        eligibility=Eligibility(
            topics=topics,
            positions=positions,
            wakes=SecretWakes(),
            options=options,
            holds=holds,
        ),
        wakeup=Wakeup(),
    )
