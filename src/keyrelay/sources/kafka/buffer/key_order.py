"""Key order: triggers of one key are attempted one at a time and in their order."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from aiokafka.structs import TopicPartition

from keyrelay.sources.kafka.records.record import Record

Key = tuple[str, str]  # profile, key


@dataclass(slots=True)
class KeyOrder:
    """The records of each key, in their order.

    The first one stays first until it leaves, however often it is attempted; the others
    wait behind it. Without `ordered` no record waits.
    """

    ordered: bool
    _records: dict[Key, deque[Record]] = field(default_factory=dict, init=False)

    def applies_to(self, record: Record) -> bool:
        return self.ordered and record.trigger.key is not None

    def join(self, record: Record) -> bool:
        """Tell whether the record is the first of its key; else it waits behind."""
        if not self.applies_to(record):
            return True
        same_key = self._records.setdefault(_key(record), deque())
        if same_key and same_key[0].position == record.position:
            return True
        same_key.append(record)
        return len(same_key) == 1

    def leave(self, record: Record) -> Record | None:
        """Return the record that is first now.

        None: no other record waits, or the one that leaves was not the first.
        """
        if not self.applies_to(record):
            return None
        same_key = self._records.get(_key(record))
        if same_key is None or same_key[0].position != record.position:
            return None
        same_key.popleft()
        if same_key:
            return same_key[0]
        del self._records[_key(record)]
        return None

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the records of these partitions that wait behind others."""
        for first, *behind in self._records.values():
            kept = [
                each for each in behind if each.position.partition not in partitions
            ]
            self._records[_key(first)] = deque([first, *kept])


def _key(record: Record) -> Key:
    return (record.trigger.profile, str(record.trigger.key))
