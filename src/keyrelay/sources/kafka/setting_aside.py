"""Setting aside: a record whose attempt lasts holds up none behind it.

Kafka keeps one offset for a partition, so one unsettled record holds up the commits of
all behind it, and in the end their reading. A copy of a record that is attempted for
long is therefore written to a retry topic, and then the record's offset is settled.

The claim stands meanwhile. A copy that comes while it does is written again for as long
(lending.py), one that comes later is passed over. After a crash the copy is what is
left of the trigger; it counts an attempt less than the claim does, so that this attempt
is known to be cut (model/claim.py).
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NoReturn

from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.lease import KafkaLease
from keyrelay.sources.kafka.options import ASIDE
from keyrelay.sources.kafka.records.record import Wait
from keyrelay.sources.kafka.writer import TopicWriter

_LOOK = timedelta(seconds=2)
_LONG = timedelta(seconds=10)
UNDER_WAY = "under way"


@dataclass(slots=True, kw_only=True, eq=False)
class SettingAside:
    """Looks every other second for attempts that last.

    `claimed` tells that claims are kept: without them a copy would be attempted, too.
    """

    buffer: Buffer
    writer: TopicWriter
    world: World
    claimed: bool
    _leases: dict[KafkaLease, None] = field(default_factory=dict, init=False)
    _task: asyncio.Task[NoReturn] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to look, or do nothing if that has begun. Raises what it ended with."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        elif self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Return once nothing is set aside any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def begun(self, lease: KafkaLease) -> None:
        """Note that the attempt of a lease begins."""
        # In a key's order a record stays where it is, and with it those behind it.
        if self.claimed and not self.buffer.is_in_order(lease.loan.record):
            self._leases[lease] = None

    def ended(self, lease: KafkaLease) -> None:
        """Note that the attempt has ended: it is not set aside any more."""
        self._leases.pop(lease, None)

    async def look(self, now: datetime) -> None:
        """Set aside what has been attempted for long by now."""
        lasting = [lease for lease in self._leases if now - lease.loan.lent_at >= _LONG]
        for lease in lasting:
            if lease not in self._leases:  # it has ended meanwhile
                continue
            try:
                await self._set_aside(lease)
            except Unavailable:  # the reader says that Kafka is away
                return
            self.ended(lease)

    async def _set_aside(self, lease: KafkaLease) -> None:
        record, claim = lease.loan.record, lease.loan.claim
        copy = replace(
            record.arrival,
            sequence=record.arrival.sequence + 1,
            cut=claim.cut,
            done=claim.done,
        )
        # First of all: a write that fails may have written it.
        lease.copied = True
        wait = Wait(self.world.now() + ASIDE)
        if await self.writer.park(replace(record, arrival=copy), wait, UNDER_WAY):
            self.buffer.set_aside(record)

    async def _run(self) -> NoReturn:
        while True:
            await self.world.sleep(_LOOK)
            await self.look(self.world.now())
