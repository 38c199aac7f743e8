"""External runs: what hands runs to the scripts that listen to an API process."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from prometheus_client import CollectorRegistry

from keyrelay.app.recording import open_recording
from keyrelay.app.run_worker import RunParts, RunWorker, run_console, run_worker
from keyrelay.app.runs import run_tokens
from keyrelay.app.settings import Settings
from keyrelay.app.store import Store
from keyrelay.engine.run_pipeline import EXTERNAL_RUNS
from keyrelay.model.analysis import RunOn
from keyrelay.observability.run_metrics import RunMetrics
from keyrelay.services.events.external_runs import ExternalStage
from keyrelay.services.events.following import Events
from keyrelay.services.events.listeners import Listeners, StreamLimits
from keyrelay.services.events.run_listeners import RunListeners, RunListening
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.runs.queue import RunQueue

_LANES = 16  # a listener that does not read holds one for seconds
_MOST_LISTENERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HandingParts:
    """What is open before runs are handed out."""

    store: Store
    runs: RunListening
    registry: CollectorRegistry


def run_listening(settings: Settings, events: Events) -> RunListening:
    """Return where scripts listen for their runs, with the events' own checks."""
    named, catalog = settings.analyses, events.catalog
    return RunListening(
        listeners=RunListeners(counted=Listeners(limits=_limits()), world=events.world),
        catalog=catalog,
        counting=events.counting,
        note_use=events.note_use,
        is_on=not named or RunOn.EXTERNAL in named,
    )


async def hand_out_runs(
    settings: Settings, parts: HandingParts, stop: asyncio.Event
) -> None:
    """Hand runs to those that listen here until `stop` is set; none, if that is off."""
    if not parts.runs.is_on:
        return
    grace = timedelta(seconds=settings.grace_seconds)
    async with _external_runs(settings, parts) as worker:
        await worker.work(stop, grace)


@asynccontextmanager
async def _external_runs(
    settings: Settings, parts: HandingParts
) -> AsyncIterator[RunWorker]:
    store, listeners = parts.store, parts.runs.listeners
    metrics = RunMetrics(place=RunOn.EXTERNAL)
    parts.registry.register(metrics)
    async with open_recording(store, Noun.ANALYSIS) as audit:
        world = store.audit_log.world
        queue = RunQueue(
            database=store.database,
            world=world,
            run_on=RunOn.EXTERNAL,
            wanted=listeners.wanted,
            length=timedelta(seconds=settings.lease_seconds),
        )
        stage = ExternalStage(
            listeners=listeners,
            token=run_tokens(store).token,
            console=partial(run_console, store),
            note=queue.note,
            now=world.now,
        )
        performed = RunParts(
            store=store,
            catalog=parts.runs.catalog,
            audit=audit,
            metrics=metrics,
            schedule=EXTERNAL_RUNS,
        )
        yield run_worker(performed, queue, stage, _LANES)


def _limits() -> StreamLimits:
    """Leave one of four connections, or more, to requests that end (api/border)."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_LISTENERS
    if files != resource.RLIM_INFINITY:
        most = min(most, max(1, files // 4))
    half = max(1, most // 2)
    return StreamLimits(in_all=most, of_a_profile=half, of_a_token=min(50, half))
