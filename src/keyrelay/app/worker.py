"""Worker: the composition root of a worker process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from keyrelay.app.channels import Dispatchers, action_rules
from keyrelay.app.readiness import readiness_of
from keyrelay.app.recording import open_recording
from keyrelay.app.run_worker import RunWorker, open_hosted_runs
from keyrelay.app.runs import run_records
from keyrelay.app.scheduling import scheduler_of
from keyrelay.app.settings import Settings
from keyrelay.app.store import Store, is_embedded, open_inbox, open_store
from keyrelay.app.work import Work
from keyrelay.dispatchers.script.asking import RunAsking
from keyrelay.dispatchers.script.hosting import Hosts
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.freshness import Freshness
from keyrelay.engine.gate import Gate
from keyrelay.engine.pausing import PauseSharing, Untold
from keyrelay.engine.pipeline import Performers, Pipeline
from keyrelay.engine.supervisor import Supervisor
from keyrelay.engine.worker import Worker
from keyrelay.model.run_analyses import NAME as SCRIPT
from keyrelay.observability.lanes import Lanes
from keyrelay.observability.observability import Observability, new_observability
from keyrelay.ports import AuditLog, Backlog, TriggerQueue
from keyrelay.services.scheduling.scheduler import Scheduler
from keyrelay.stores.burials import GroupedDeadLetters, group_burials
from keyrelay.stores.claims.heartbeat import announced
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.pauses import worker_pauses
from keyrelay.stores.restoring import require_current


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """A worker with its side tasks, and what commands and probes read from it.

    One that drains its queue has no scheduler: it ends when nothing is due.
    """

    supervisor: Supervisor
    runs: RunWorker | None
    scheduler: Scheduler | None
    catalog: LiveCatalog
    backlog: Backlog
    observability: Observability


@asynccontextmanager
async def open_worker(
    settings: Settings,
    dispatchers: Dispatchers,
    *,
    drain: bool,
    hosts: Hosts | None = None,
) -> AsyncIterator[WorkerProcess]:
    """Open all that a worker needs; with `hosts`, it performs hosted runs as well.

    Raises Unavailable while the vault is sealed, and BehindCheckpoint.
    """
    async with AsyncExitStack() as opened:
        parts = await _open_parts(settings, opened, drain=drain)
        process = _process(settings, dispatchers, parts)
        if not drain:
            scheduler = scheduler_of(parts.store, process.catalog, parts.queue)
            process = replace(process, scheduler=scheduler)
        if hosts is not None:
            registry = process.observability.registry
            hosted = open_hosted_runs(
                settings, parts.store, process.catalog, registry, hosts
            )
            process = replace(process, runs=await opened.enter_async_context(hosted))
        yield process


async def _open_parts(
    settings: Settings, opened: AsyncExitStack, *, drain: bool
) -> "_Parts":
    store = await opened.enter_async_context(open_store(settings))
    await store.vault.check()
    await _require_current(settings, store)
    resumed: asyncio.Queue[str] = asyncio.Queue()
    pauses = _pause_sharing(settings, store, resumed)
    work = _work(pauses.breaker.circuits, drain=drain)
    queue = await opened.enter_async_context(open_inbox(settings, store, work))
    await opened.enter_async_context(_announced(settings, store))
    # Closed before the queue and the database are: no commit is left to itself.
    audit = await opened.enter_async_context(open_recording(store))
    dead_letters = group_burials(store.dead_letters)
    opened.push_async_callback(dead_letters.batch.close)
    return _Parts(
        store=store,
        queue=queue,
        audit=audit,
        dead_letters=dead_letters,
        pauses=pauses,
        resumed=resumed,
    )


async def _require_current(settings: Settings, store: Store) -> None:
    """Raise BehindCheckpoint on a database that is older than its checkpoint."""
    beside = not store.database.is_shared and is_embedded(settings)
    await require_current(store.audit_log, expected=beside)


@asynccontextmanager
async def _announced(settings: Settings, store: Store) -> AsyncIterator[None]:
    """Let `keyrelay copy` see a worker that makes no claims."""
    if settings.is_log and settings.deduplication_hours:
        yield  # its claims announce it
        return
    lease = timedelta(seconds=settings.lease_seconds)
    async with announced(store.database, store.audit_log.world, lease):
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What is open before a worker is put together."""

    store: Store
    queue: TriggerQueue
    audit: AuditLog
    dead_letters: GroupedDeadLetters
    pauses: PauseSharing
    resumed: asyncio.Queue[str]


def _process(
    settings: Settings, dispatchers: Dispatchers, parts: _Parts
) -> WorkerProcess:
    store, queue, pauses = parts.store, parts.queue, parts.pauses
    catalog = _catalog(settings, store, pauses.breaker)
    pipeline = _pipeline(store, catalog, pauses, dispatchers)
    gate = _gate(store, catalog, queue, pipeline)
    observability = new_observability(
        lanes=Lanes(behind=gate, total=settings.lanes),
        readiness=readiness_of(store, catalog, queue, queue.lags),
        paused=pauses.breaker.circuits.paused,
        lingering=pauses.breaker.lingering,
        channels=(*dispatchers, SCRIPT),
    )
    supervisor = Supervisor(
        worker=_worker(settings, parts, gate, observability),
        definitions=catalog,
        pauses=pauses,
        waker=queue,
        resumed=parts.resumed,
    )
    return WorkerProcess(
        supervisor=supervisor,
        runs=None,
        scheduler=None,
        catalog=catalog,
        backlog=queue,
        observability=observability,
    )


def _pipeline(
    store: Store, catalog: LiveCatalog, pauses: PauseSharing, dispatchers: Dispatchers
) -> Pipeline:
    now = store.audit_log.world.now
    asking = RunAsking(keep=run_records(store).keep_all, now=now)
    return Pipeline(
        catalog=Freshness(definitions=catalog).catalog,
        vault=store.vault,
        performers=Performers(dispatchers=dispatchers, runs=asking),
        breaker=pauses.breaker,
        admit=pauses.admit,
        now=now,
    )


def _catalog(settings: Settings, store: Store, breaker: Breaker) -> LiveCatalog:
    return LiveCatalog(
        database=store.database,
        guard=store.guard,
        world=store.audit_log.world,
        rules=action_rules(settings),
        replaced=breaker.circuits.replaced,
    )


def _worker(
    settings: Settings,
    parts: _Parts,
    gate: Gate,
    observability: Observability,
) -> Worker:
    world = parts.store.audit_log.world
    conclusion = Conclusion(
        audit=observability.counted(parts.audit),
        dead_letters=parts.dead_letters,
        world=world,
    )
    return Worker(
        queue=observability.lanes,
        attempt=observability.timed(gate.attempt),
        conclusion=conclusion,
        lanes=settings.lanes,
        world=world,
    )


def _gate(
    store: Store, catalog: LiveCatalog, queue: TriggerQueue, pipeline: Pipeline
) -> Gate:
    async def ready() -> None:
        catalog.current()
        await store.vault.unsealed()

    sleep = store.audit_log.world.sleep
    return Gate(behind=queue, ready=ready, tried=pipeline.attempt, sleep=sleep)


def _work(circuits: Circuits, *, drain: bool) -> Work:
    return Work(drain=drain, holds=circuits.holds, is_paused=circuits.is_paused)


def _pause_sharing(
    settings: Settings, store: Store, resumed: asyncio.Queue[str]
) -> PauseSharing:
    world, untold = store.audit_log.world, Untold()
    # Slow servers may take most of the lanes, never all of them.
    slow_limit = max(1, settings.lanes * 3 // 4)
    circuits = Circuits(now=world.now, wake=resumed.put_nowait)
    breaker = Breaker(slow_limit=slow_limit, circuits=circuits, told=untold.note)
    pauses = worker_pauses(store.database, world)
    return PauseSharing(breaker=breaker, pauses=pauses, world=world, untold=untold)
