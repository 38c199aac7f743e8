"""Observed: a worker's observability over a queue that always has a trigger."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from keyrelay.model.backlog import Lag, ReadingLosses
from keyrelay.model.pause import PauseKind
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.observability import Observability, new_observability
from keyrelay.observability.readiness import Component, QueueLag, Readiness
from keyrelay.ports import Lease, Unavailable
from tests.fakes import FakeLease
from tests.samples import a_trigger

LAGS = (
    Lag(topic="triggers", waiting=120, age=timedelta(seconds=2.5)),
    Lag(topic="retry-1m", waiting=0, age=timedelta()),
)


@dataclass
class Queue:
    """It always has a trigger; while it is `away`, its lags cannot be read."""

    away: bool = False
    losses: ReadingLosses = field(default_factory=ReadingLosses)

    async def lease(self, until: asyncio.Event) -> Lease | None:
        return None if until.is_set() else FakeLease(trigger=a_trigger())

    async def lags(self) -> Sequence[Lag]:
        if self.away:
            raise Unavailable("the queue does not answer")
        return LAGS


async def sealed() -> None:
    raise Unavailable("the vault is sealed")


def observability(queue: Queue, paused: int = 0, lingering: int = 0) -> Observability:
    queue_lag = QueueLag(read=queue.lags, losses=queue.losses)
    components = {
        "vault": Component(check=sealed),
        "queue": Component(check=queue_lag.refresh),
    }
    return new_observability(
        lanes=Lanes(behind=queue, total=8),
        readiness=Readiness(components=components, queue_lag=queue_lag),
        paused=lambda: Counter({PauseKind.REFUSED: paused}),
        lingering=lambda: lingering,
        channels=("email-smtp", "queue-sqs"),
    )
