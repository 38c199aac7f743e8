"""Terms: on which conditions triggers are taken from the log, lent and put back."""

from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.sources.kafka.topics.names import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far ahead of the first unsettled record a partition may be read; `records`
    of one, `bytes` of all together, `age` of the oldest that is not settled."""

    records: int = 5000
    bytes: int = 32 * 1024 * 1024
    age: timedelta = timedelta(minutes=20)

    def bytes_for(self, topic: str, topics: Topics) -> int:
        """Return a topic's part of the bytes.

        Half is for what was published, however much there is that waits, and of the
        rest every topic has the same: what waits long is in nobody's way.
        """
        half = self.bytes // 2
        return half if topic == topics.main else half // (len(topics.read) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often something is looked at, and how long it is waited for.

    `look` is for what comes due, `commit` for offsets, `busy` for what somebody else
    attempts, `held` for what waits for a secret. A rebalance waits for `leaving`
    leases, and a consumer that gets nothing, though there is something, is replaced
    after `stall`.
    """

    look: timedelta = timedelta(seconds=0.1)
    commit: timedelta = timedelta(seconds=0.5)
    busy: timedelta = timedelta(seconds=1)
    held: timedelta = timedelta(minutes=1)
    leaving: timedelta = timedelta(seconds=3)
    stall: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """`ordered` keeps triggers of the same key in line; with `drain` there are no
    more leases once nothing is due or leased."""

    ordered: bool = False
    drain: bool = False
    window: Window = field(default_factory=Window)
    pace: Intervals = field(default_factory=Intervals)
