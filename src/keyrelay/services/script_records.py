"""Script records: the audit records of services, each durable before its answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.concurrency.outage import Outage
from keyrelay.concurrency.periodic import insist
from keyrelay.model.audit import AuditRecord
from keyrelay.ports import Unavailable

log = logging.getLogger(__name__)

_AGAIN = timedelta(seconds=1)


class NotRecorded(Exception):
    """What was sent could not be recorded yet, so that its end is not told."""


def _outage() -> Outage:
    return Outage(log=log, begun="services not recorded", over="services are recorded")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRecords:
    """`keep` is as ChainedLog.keep_records.

    What could not be kept is owed: nothing is sent before it was kept.
    """

    keep: Callable[[Sequence[AuditRecord]], Awaitable[object]]
    sleep: Callable[[timedelta], Awaitable[None]]
    _owed: list[AuditRecord] = field(default_factory=list, init=False)
    _owes: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _keeping: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _outage: Outage = field(default_factory=_outage, init=False)

    async def append(self, record: AuditRecord) -> None:
        """Keep the record, durably on return. Raises NotRecorded."""
        self._owed.append(record)
        try:
            await self.settle()
        except Unavailable:
            self._owes.set()
            raise NotRecorded(
                "it is not known whether it was sent, as that could not be recorded:"
                " an administrator finds it in the audit trail later"
            ) from None

    async def settle(self) -> None:
        """Keep what is owed. Raises Unavailable."""
        async with self._keeping:  # no record is kept twice
            owed = [*self._owed]
            if not owed:
                return
            try:
                await self.keep(owed)
            except Unavailable as fault:
                self._outage.failed(str(fault))
                raise
            del self._owed[: len(owed)]
            self._outage.ended()

    async def keep_settling(self) -> None:
        """Settle, again and again, whenever something is owed; it does not return."""
        while True:
            await self._owes.wait()
            self._owes.clear()
            await insist(self.settle, Unavailable, self._wait_out)

    async def _wait_out(self, _: Unavailable) -> None:
        await self.sleep(_AGAIN)
