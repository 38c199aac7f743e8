"""Key order: triggers of one key are attempted one at a time and in their order."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from aiokafka.structs import TopicPartition

from keyrelay.sources.kafka.records.record import Record

Key = tuple[str, str]  # profile, key


@dataclass(slots=True)
class KeyOrder:
    """One line for each key. The first record of a line stays first until it leaves,
    however often it is attempted; the others wait behind it. Without `ordered` there
    are no lines."""

    ordered: bool
    _lines: dict[Key, deque[Record]] = field(default_factory=dict, init=False)

    def applies_to(self, record: Record) -> bool:
        return self.ordered and record.trigger.key is not None

    def join(self, record: Record) -> bool:
        """Tell whether the record is the first of its line; else it waits behind."""
        if not self.applies_to(record):
            return True
        line = self._lines.setdefault(_key(record), deque())
        if line and line[0].position == record.position:
            return True
        line.append(record)
        return len(line) == 1

    def leave(self, record: Record) -> Record | None:
        """Return the record that is first now.

        None: no other record waits, or the one that leaves was not the first.
        """
        line = self._lines.get(_key(record)) if self.applies_to(record) else None
        if line is None or line[0].position != record.position:
            return None
        line.popleft()
        if line:
            return line[0]
        del self._lines[_key(record)]
        return None

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the records of these partitions that wait behind others."""
        for first, *behind in self._lines.values():
            kept = [
                each for each in behind if each.position.partition not in partitions
            ]
            self._lines[_key(first)] = deque([first, *kept])


def _key(record: Record) -> Key:
    return (record.trigger.profile, str(record.trigger.key))
