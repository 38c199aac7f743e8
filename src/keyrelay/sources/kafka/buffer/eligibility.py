"""Eligibility: when a fetched record may be drawn, and when its trigger is due."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import LONGEST_WAIT
from keyrelay.sources.kafka.buffer.positions import Positions
from keyrelay.sources.kafka.buffer.secret_wakes import SecretWakes
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.records.record import (
    FetchedRecord,
    Record,
    due_at,
    waits_for,
)
from keyrelay.sources.kafka.topics.names import Topics

_SOON = timedelta(milliseconds=50)  # a trigger due so soon is not put back for it


def is_too_late(record: Record, now: datetime) -> bool:
    """Tell whether its trigger seems to be due later than any wait lasts.

    A clock was ahead when the record was written, so the trigger is due now.
    """
    return record.wait is not None and record.wait.until > now + LONGEST_WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """`holds` tells whether this process would hold back what uses a secret.

    What waits for a secret is due once this process would not: another one may have
    parked it, which had not heard yet that the secret was replaced.
    """

    topics: Topics
    positions: Positions
    wakes: SecretWakes
    options: KafkaOptions
    holds: Callable[[str], bool]

    def may_draw(self, first: FetchedRecord, now: datetime) -> bool:
        """Tell whether a partition's first record may be looked at.

        In a retry topic it may once the delay is over, or before that if it is due: a
        trigger that was redriven is at once. In the held topic it may while there is
        room to keep it here, after a wake, once its secret holds nothing back, and once
        it is old.
        """
        partition, written_at = first.position.partition, first.written_at
        if partition.topic == self.topics.main:
            return True
        if partition.topic == self.topics.held:
            is_old = now >= written_at + self.options.intervals.held
            is_woken = is_old or self.wakes.last >= written_at
            return is_woken or self.has_room(partition) or not self._is_held(first)
        if now >= written_at + self.topics.retries[partition.topic]:
            return True
        due = due_at(first.raw)
        return due is not None and due <= now

    def is_due(self, record: Record, now: datetime) -> bool:
        """Tell whether the trigger may be attempted now."""
        if record.wait is None or record.wait.until <= now + _SOON:
            return True
        if is_too_late(record, now):
            return True
        return self.goes_on(record.waits_for, since=record.written_at)

    def goes_on(self, secret: str | None, since: datetime) -> bool:
        """Tell whether what has waited for the secret since then need not wait on."""
        if secret is None:
            return False
        return self.wakes.woke(secret, since) or not self.holds(secret)

    def may_be_held(self, partition: TopicPartition) -> bool:
        """Tell whether a record that waits for a secret may wait in memory."""
        return partition.topic == self.topics.held and self.has_room(partition)

    def _is_held(self, first: FetchedRecord) -> bool:
        secret = waits_for(first.raw)
        return secret is not None and self.holds(secret)

    def has_room(self, partition: TopicPartition) -> bool:
        """Tell whether records may wait in memory; a part of the window stays free."""
        window = self.options.window
        few = self.positions.span(partition) <= window.records // 4
        bytes_ = window.bytes_for(partition.topic, self.topics)
        return few and self.positions.bytes_of(partition.topic) <= bytes_ // 2
