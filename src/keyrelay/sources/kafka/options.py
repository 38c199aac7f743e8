"""Options: how triggers are read from Kafka, lent and put back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.model.claiming import Claims, ClaimStates
from keyrelay.model.dead_letter import UnreadableBurials, UnreadableLetter
from keyrelay.model.intervention import Interventions
from keyrelay.model.revision import no_revision
from keyrelay.ports import RevisionNow
from keyrelay.sources.kafka.topics.names import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far ahead of the first unsettled record a partition may be read.

    `records` of one partition, `bytes` of memory for all partitions together, and
    `age` of the oldest unsettled record.
    """

    records: int = 5000
    bytes: int = 32 * 1024 * 1024
    age: timedelta = timedelta(minutes=20)

    def bytes_for(self, topic: str, topics: Topics) -> int:
        """Return a topic's part of the bytes.

        Half is for published triggers, so that however much waits for its time leaves
        room for them. The other topics share the rest equally.
        """
        half = self.bytes // 2
        return half if topic == topics.main else half // (len(topics.read) - 1)


# Until the copy of what is attempted for long is looked at again; after a crash its
# trigger waits for it. A second more than a retry topic's delay, or a shorter one would
# have to do.
ASIDE = timedelta(seconds=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often the source looks for something, and how long it waits.

    `poll`: for records, and for what came due. `commit`: of offsets. `busy`: until it
    looks again at a trigger that another process attempts. `held`: until it reads again
    the records that wait for a secret. `revocation`: how long a rebalance waits for
    leases. `stall`: after it, a consumer that gets nothing although there is something
    is replaced.
    """

    poll: timedelta = timedelta(seconds=0.1)
    commit: timedelta = timedelta(seconds=0.5)
    busy: timedelta = timedelta(seconds=1)
    held: timedelta = timedelta(minutes=1)
    revocation: timedelta = timedelta(seconds=3)
    stall: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """`ordered`: triggers of one key are attempted in their order. `drain`: there are
    no more leases once nothing is due or leased. `cut_before`: see EarlierReading."""

    ordered: bool = False
    drain: bool = False
    cut_before: datetime | None = None
    window: Window = field(default_factory=Window)
    intervals: Intervals = field(default_factory=Intervals)


async def keep_nowhere(_: Sequence[UnreadableLetter]) -> None:
    """Keep nothing: what is no trigger stands in the dead-letter topic alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOwner:
    """The profile that all triggers of the topics belong to; None, each names its own.

    `bury` keeps a dead letter of what is no trigger, beside the dead-letter topic.
    `revision` is what triggers are accepted under.
    """

    profile: str | None
    bury: UnreadableBurials = keep_nowhere
    revision: RevisionNow = no_revision


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAccess:
    """Claims as the queue writes them, as it reads them, and as people write them.

    Those made before `upgraded_at` may bear former ids, for the length of the `window`.
    `kept` tells that what is claimed is written down.
    """

    claims: Claims
    states: ClaimStates
    people: Interventions
    kept: bool = True
    upgraded_at: datetime | None = None
    window: timedelta = timedelta(hours=24)
