"""Made-up ids: the ids of triggers whose producers gave none.

Such an id is the same whenever its record is read, so that a record that is read again
after a crash is known. It is another one for every other record, also for one that
stands in the same place, because its topic was made anew, its broker was restored or
its cluster was replaced.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from aiokafka.structs import ConsumerRecord

from keyrelay.concurrency.periodic import insist
from keyrelay.model.claiming import ClaimStates
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.records.position import TopicPartitionOffset

_DIGITS = 24  # 96 bits
_CLOCK_SKEW = timedelta(hours=1)  # brokers take records from as far in the future
_PATIENCE = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def made_up_id(raw: ConsumerRecord) -> str:
    """Return an id from a record's place, its timestamp and a digest of its bytes."""
    digest = hashlib.sha256(f"{place_of(raw)} {raw.timestamp}".encode())
    headers = [part for name, value in raw.headers for part in (name.encode(), value)]
    for part in (raw.key, raw.value, *headers):
        # Each after its length, so that no two lists of parts look the same.
        size = -1 if part is None else len(part)
        digest.update(size.to_bytes(8, "big", signed=True) + (part or b""))
    return digest.hexdigest()[:_DIGITS]


def former_id(raw: ConsumerRecord) -> str:
    """Return the id that releases before 0.2 made up: from the record's place alone."""
    return hashlib.sha256(str(place_of(raw)).encode()).hexdigest()[:_DIGITS]


def timestamp_of(raw: ConsumerRecord) -> datetime:
    """Return when the record says it was written; producers may write any number."""
    try:
        return _EPOCH + timedelta(milliseconds=max(0, raw.timestamp))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def place_of(raw: ConsumerRecord) -> TopicPartitionOffset:
    return TopicPartitionOffset(raw.topic, raw.partition, raw.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerIds:
    """The ids that were made up before an upgrade, for as long as claims may bear them.

    A record that an earlier release has claimed keeps its former id: what was settled
    is not attempted again, and what was cut short goes out under the same id.
    """

    states: ClaimStates
    world: World
    upgraded_at: datetime | None
    window: timedelta

    def may_be_borne_by(self, raw: ConsumerRecord) -> bool:
        """Tell whether an earlier release may have claimed the record."""
        if self.upgraded_at is None:
            return False
        is_over = self.world.now() > self.upgraded_at + self.window
        return not is_over and timestamp_of(raw) < self.upgraded_at + _CLOCK_SKEW

    async def claimed(self, raws: Sequence[ConsumerRecord]) -> frozenset[str]:
        """Return the former ids of these records under which there are claims.

        While the claims do not answer, it is waited for them.
        """
        ids = [former_id(raw) for raw in raws if self.may_be_borne_by(raw)]
        return await insist(partial(self._known, ids), Unavailable, self._wait_out)

    async def _known(self, ids: Sequence[str]) -> frozenset[str]:
        return await self.states.known(ids) if ids else frozenset()

    async def _wait_out(self, _: Unavailable) -> None:
        # Lanes ask the claims as well, and report that they do not answer.
        await self.world.sleep(_PATIENCE)
