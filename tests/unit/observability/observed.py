"""Watched: a worker's watch over a queue that always has a trigger."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.backlog import Lag
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.observability import Observability, new_observability
from keyrelay.observability.readiness import Component, Readiness, Waiting
from keyrelay.ports import Lease, Unavailable
from tests.fakes import FakeLease
from tests.samples import a_trigger

LAGS = (
    Lag(topic="triggers", waiting=120, age=timedelta(seconds=2.5)),
    Lag(topic="retry-1m", waiting=0, age=timedelta()),
)


@dataclass
class Queue:
    """It always has a trigger; what waits in it can be asked, unless it is away."""

    away: bool = False

    async def lease(self, until: asyncio.Event) -> Lease | None:
        return None if until.is_set() else FakeLease(trigger=a_trigger())

    async def lags(self) -> Sequence[Lag]:
        if self.away:
            raise Unavailable("the queue does not answer")
        return LAGS


async def sealed() -> None:
    raise Unavailable("the vault is sealed")


def observability(queue: Queue, paused: int = 0) -> Observability:
    waiting = Waiting(ask=queue.lags)
    parts = {"vault": Component(ask=sealed), "queue": Component(ask=waiting.look)}
    return new_observability(
        lanes=Lanes(behind=queue, total=8),
        readiness=Readiness(parts=parts, waiting=waiting),
        paused=lambda: paused,
    )
