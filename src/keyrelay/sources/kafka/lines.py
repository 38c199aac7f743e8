"""Lines: triggers of the same key, which are lent one at a time and in their order."""

from collections import deque
from dataclasses import dataclass, field

from keyrelay.sources.kafka.record import Record

Key = tuple[str, str]  # profile, key


@dataclass(slots=True)
class Lines:
    """Whoever is first in a line stays so until it leaves, however often tried."""

    ordered: bool
    _behind: dict[Key, deque[Record]] = field(default_factory=dict, init=False)

    def is_in_line(self, record: Record) -> bool:
        return self.ordered and record.trigger.key is not None

    def join(self, record: Record) -> bool:
        """Return whether it is the first; otherwise it waits behind the others."""
        if not self.is_in_line(record):
            return True
        behind = self._behind.get(_key(record))
        if behind is None:
            self._behind[_key(record)] = deque()
            return True
        behind.append(record)
        return False

    def leave(self, first: Record) -> Record | None:
        """Return who is the first now."""
        if not self.is_in_line(first):
            return None
        behind = self._behind[_key(first)]
        if behind:
            return behind.popleft()
        del self._behind[_key(first)]
        return None


def _key(record: Record) -> Key:
    return (record.trigger.profile, str(record.trigger.key))
