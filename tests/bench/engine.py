"""Engine: pipeline, worker and audit log, between a ready source and nothing."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from keyrelay.app.store import Store
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.freshness import Freshness
from keyrelay.engine.pausing import PauseSharing, Untold
from keyrelay.engine.pipeline import Pipeline
from keyrelay.engine.worker import Worker
from keyrelay.model.action import Message
from keyrelay.model.outcome import Delivered, Outcome
from keyrelay.model.recorded import CutLeases
from keyrelay.model.secret import OpenedSecret
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.ports import StillHeld
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.burials import group_burials
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.pauses import worker_pauses
from tests.fakes import performers

LANES = 256


@dataclass(frozen=True, slots=True)
class Null:
    """A dispatcher that has always delivered already."""

    async def dispatch(
        self,
        message: Message,
        secret: OpenedSecret,
        still_held: StillHeld | None = None,
    ) -> Outcome:
        return Delivered("nothing was done")


@dataclass(frozen=True, slots=True)
class Loan:
    """A first lease, which asks for nothing to be written down."""

    trigger: Trigger
    number: int = 1
    repeats: bool = False
    unsettled: CutLeases | None = None
    done: frozenset[str] = frozenset()

    async def still_held(self) -> bool:
        return True

    async def settle(self, settlement: Settlement) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that have all come already, each read when it is its turn."""

    raws: Iterator[bytes]
    origin: Origin

    async def lease(self, until: asyncio.Event) -> Loan | None:
        raw = next(self.raws, None)
        return None if raw is None else Loan(Trigger.parse(raw, self.origin))


def engine(store: Store, catalog: LiveCatalog, source: Source) -> Worker:
    world = store.audit_log.world
    untold = Untold()
    circuits = Circuits(now=world.now, wake=lambda _: None)
    breaker = Breaker(slow_limit=LANES, circuits=circuits, told=untold.note)
    pauses = PauseSharing(
        breaker=breaker,
        pauses=worker_pauses(store.database, world),
        world=world,
        untold=untold,
    )
    pipeline = Pipeline(
        catalog=Freshness(definitions=catalog).catalog,
        vault=store.vault,
        performers=performers({"email-smtp": Null(), "queue-sqs": Null()}),
        breaker=breaker,
        admit=pauses.admit,
        now=world.now,
    )
    return Worker(
        queue=source,
        attempt=pipeline.attempt,
        conclusion=Conclusion(
            audit=group_commits(store.audit_log),
            dead_letters=group_burials(store.dead_letters),
            world=world,
        ),
        lanes=LANES,
        world=world,
    )
