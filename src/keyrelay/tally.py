"""Tally: how many attempts have ended how, for whoever watches a worker."""

from collections import Counter
from dataclasses import dataclass, field

from keyrelay.audit import AttemptRecord, AuditRecord
from keyrelay.ports import AuditLog
from keyrelay.settlement import Bury, Done, TryAgain

_WORDS = {Done: "delivered", TryAgain: "to be tried again", Bury: "buried"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """An audit log that counts what the one behind it has kept."""

    behind: AuditLog
    counts: Counter[str] = field(default_factory=Counter, init=False)

    async def append(self, record: AuditRecord) -> None:
        await self.behind.append(record)
        if isinstance(record, AttemptRecord):
            self.counts[_WORDS[type(record.settlement)]] += 1
