"""Lines: triggers of the same key, which are lent one at a time and in their order."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from aiokafka.structs import TopicPartition

from keyrelay.sources.kafka.records.record import Record

Key = tuple[str, str]  # profile, key


@dataclass(slots=True)
class KeyOrder:
    """Whoever is first in a line stays so until it leaves, however often tried."""

    ordered: bool
    _of: dict[Key, deque[Record]] = field(default_factory=dict, init=False)

    def is_in_line(self, record: Record) -> bool:
        return self.ordered and record.trigger.key is not None

    def join(self, record: Record) -> bool:
        """Return whether it is the first, or is so already; else it waits behind."""
        if not self.is_in_line(record):
            return True
        line = self._of.setdefault(_key(record), deque())
        if line and line[0].mark == record.mark:
            return True
        line.append(record)
        return len(line) == 1

    def leave(self, record: Record) -> Record | None:
        """Return who is the first now; None, nobody, or the record was not in line."""
        line = self._of.get(_key(record)) if self.is_in_line(record) else None
        if line is None or line[0].mark != record.mark:
            return None
        line.popleft()
        if line:
            return line[0]
        del self._of[_key(record)]
        return None

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop those of the partitions who wait behind others."""
        for first, *behind in self._of.values():
            kept = [each for each in behind if each.mark.partition not in partitions]
            self._of[_key(first)] = deque([first, *kept])


def _key(record: Record) -> Key:
    return (record.trigger.profile, str(record.trigger.key))
