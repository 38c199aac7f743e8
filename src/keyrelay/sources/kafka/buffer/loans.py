"""Loans: which triggers are being attempted, and which wait until those are settled."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from aiokafka.structs import TopicPartition

from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.records.position import FetchPosition
from keyrelay.sources.kafka.records.record import Record

TriggerId = tuple[str, str]  # profile, id


@dataclass(slots=True, kw_only=True)
class Loans:
    """At most one record of a trigger is on loan, and at most one trigger of a key.

    A loan is to a lane of this process. A trigger that another process attempts is no
    loan, but is counted as one until its record is looked at again.
    """

    key_order: KeyOrder
    # None: no partition waits for what was set aside.
    _lent: dict[TriggerId, FetchPosition | None] = field(
        default_factory=dict, init=False
    )
    _duplicates: dict[TriggerId, list[Record]] = field(default_factory=dict, init=False)
    _elsewhere: set[TriggerId] = field(default_factory=set, init=False)
    _returned: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def count(self) -> int:
        """How many triggers are being attempted, here or by another process."""
        return len(self._lent) + len(self._elsewhere)

    def lend(self, record: Record) -> bool:
        """Tell whether the record is on loan now.

        It is not while another record of its key or of its trigger comes first; then it
        is kept, and comes out of `leave` or `take_back` when it is next.
        """
        if not self.key_order.join(record):
            return False
        if _id(record) in self._lent:
            self._duplicates.setdefault(_id(record), []).append(record)
            return False
        self._elsewhere.discard(_id(record))
        self._lent[_id(record)] = record.position
        return True

    def set_aside(self, record: Record) -> None:
        """Let its partition go while the record is on loan."""
        if _id(record) in self._lent:
            self._lent[_id(record)] = None

    def has_set_aside(self, record: Record) -> bool:
        """Tell whether an attempt of the record's trigger was set aside and lasts."""
        return self._lent.get(_id(record), record.position) is None

    def take_back(self, record: Record) -> Sequence[Record]:
        """End a loan, if there is one; return the trigger's other records."""
        self._lent.pop(_id(record), None)
        self._returned.set()
        self._returned = asyncio.Event()
        return self._duplicates.pop(_id(record), ())

    def note_elsewhere(self, record: Record) -> None:
        """Note that another process attempts the trigger."""
        self._elsewhere.add(_id(record))

    def leave(self, record: Record) -> Record | None:
        """Let the record give up its place; return the next of its key, if any."""
        self._elsewhere.discard(_id(record))
        return self.key_order.leave(record)

    async def returned_from(self, partitions: Collection[TopicPartition]) -> None:
        """Return once no record of these partitions is on loan."""
        lent = self._lent
        while any(each and each.partition in partitions for each in lent.values()):
            await self._returned.wait()


def _id(record: Record) -> TriggerId:
    return (record.trigger.profile, record.trigger.id)
