"""Run worker: what performs runs of analyses, beside other work of a process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from prometheus_client import CollectorRegistry

from keyrelay.app.recording import open_recording
from keyrelay.app.runs import run_records, run_tokens
from keyrelay.app.settings import Settings
from keyrelay.app.store import Store
from keyrelay.concurrency.background import background
from keyrelay.dispatchers.script.console import ConsoleWriter, writing_console
from keyrelay.dispatchers.script.hosting import HostedStage, Hosts
from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.freshness import Freshness
from keyrelay.engine.gate import Gate
from keyrelay.engine.releasing import Releasing
from keyrelay.engine.run_pipeline import RUNS, RunPipeline
from keyrelay.engine.worker import Worker
from keyrelay.model.analysis import RunOn
from keyrelay.model.run import RunOrder
from keyrelay.model.secret import SecretValue
from keyrelay.model.settlement import Schedule
from keyrelay.model.uploaded_script import ScriptVersion
from keyrelay.observability.run_metrics import RunMetrics
from keyrelay.ports import AuditLog, RunStage
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.definitions.scripts import read_script
from keyrelay.stores.runs.queue import RunQueue
from keyrelay.stores.runs.records import RunLetters, RunRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorker:
    """Performs runs; `announced` tells all processes that it does, while it does."""

    worker: Worker
    queue: RunQueue
    records: RunRecords
    announced: Callable[[], AbstractAsyncContextManager[None]] = nullcontext

    async def work(self, stop: asyncio.Event, grace: timedelta) -> None:
        """Work until `stop` is set, then as Worker.run says."""
        forgetting = self.records.keep_forgetting()
        async with self.queue.renewed(), background(forgetting), self.announced():
            await self.worker.run(stop, grace)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What is open before runs are performed; `metrics` count them."""

    store: Store
    catalog: LiveCatalog
    audit: AuditLog
    metrics: RunMetrics
    schedule: Schedule


@asynccontextmanager
async def open_hosted_runs(
    settings: Settings,
    store: Store,
    catalog: LiveCatalog,
    registry: CollectorRegistry,
    hosts: Hosts,
) -> AsyncIterator[RunWorker]:
    """Give what performs hosted runs, over a catalog that is kept fresh."""
    metrics = RunMetrics(place="hosted")
    registry.register(metrics)
    async with open_recording(store, Noun.ANALYSIS) as audit:
        parts = RunParts(
            store=store,
            catalog=catalog,
            audit=audit,
            metrics=metrics,
            schedule=RUNS,
        )
        yield hosted_runs(settings, parts, hosts)


def hosted_runs(settings: Settings, parts: RunParts, hosts: Hosts) -> RunWorker:
    """Return what performs hosted runs here."""
    store = parts.store
    length = timedelta(seconds=settings.lease_seconds)
    queue = RunQueue(
        database=store.database,
        world=store.audit_log.world,
        run_on=RunOn.HOSTED,
        wanted=_those_of_all,
        length=length,
    )
    stage = HostedStage(
        hosts=hosts,
        content=partial(_content, store),
        token=run_tokens(store).token,
        console=partial(run_console, store),
        note=queue.note,
        until_lost=queue.until_lost,
    )
    performing = run_worker(parts, queue, stage, settings.script_lanes)
    if not hosts.runtimes:
        return performing  # each run is refused with the reason
    announced = partial(store.run_hosts.announced, hosts.runtimes, length)
    return replace(performing, announced=announced)


def run_worker(
    parts: RunParts, queue: RunQueue, stage: RunStage, lanes: int
) -> RunWorker:
    """Return what performs the runs of a queue at a stage."""
    store, world = parts.store, parts.store.audit_log.world
    pipeline = _pipeline(parts, stage)
    gate = _gate(parts, queue, pipeline)
    worker = Worker(
        queue=gate,
        attempt=gate.attempt,
        conclusion=Conclusion(
            audit=parts.metrics.counted(parts.audit),
            dead_letters=RunLetters(),
            world=world,
        ),
        lanes=lanes,
        world=world,
    )
    return RunWorker(worker=worker, queue=queue, records=run_records(store))


def _gate(parts: RunParts, queue: RunQueue, pipeline: RunPipeline) -> Gate:
    store = parts.store

    async def ready() -> None:
        parts.catalog.current()
        await store.vault.unsealed()

    sleep = store.audit_log.world.sleep
    return Gate(behind=queue, ready=ready, tried=pipeline.attempt, sleep=sleep)


def _pipeline(parts: RunParts, stage: RunStage) -> RunPipeline:
    store, world = parts.store, parts.store.audit_log.world
    return RunPipeline(
        catalog=Freshness(definitions=parts.catalog).catalog,
        order=run_records(store).order,
        releasing=Releasing(vault=store.vault, audit=parts.audit, world=world),
        stage=stage,
        schedule=parts.schedule,
        now=world.now,
    )


async def _content(store: Store, analysis: str, version: ScriptVersion) -> bytes | None:
    async with store.database.reading() as connection:
        return await read_script(connection, analysis, version)


def _those_of_all() -> None:
    """Want the runs of all analyses."""


def run_console(
    store: Store, order: RunOrder, values: Sequence[SecretValue]
) -> AbstractAsyncContextManager[ConsoleWriter]:
    """Open the console of a run that is given these values."""
    keep = partial(store.consoles.append, order.profile, order.analysis)
    return writing_console(values, keep, store.audit_log.world)
