"""Halting process: performs hosted runs, and stops for good at one step of the first.

`python -m tests.installed.halting_process STEP` says so when it has come to the step.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.app.channels import action_rules
from keyrelay.app.hosting import find_hosts
from keyrelay.app.recording import open_recording
from keyrelay.app.run_worker import RunParts, hosted_runs
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import Store, open_store
from keyrelay.concurrency.background import background
from keyrelay.engine.run_pipeline import RUNS
from keyrelay.model.audit import AttemptRecord, AuditRecord
from keyrelay.model.recorded import CutLeases, RecordedAttempt
from keyrelay.model.settlement import Settlement
from keyrelay.model.trigger import Trigger
from keyrelay.observability.run_metrics import RunMetrics
from keyrelay.ports import AuditLog, Lease, Queue
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from tests.installed import command
from tests.installed.command import Command
from tests.installed.home import Home


class Step(StrEnum):
    """Between which two steps it stops."""

    LEASED = "lease taken"
    RELEASED = "secrets released"
    ENDED = "script ended"
    RECORDED = "end recorded"
    SETTLED = "run settled"


@dataclass(frozen=True, slots=True)
class Halt:
    wanted: Step

    async def at(self, step: Step) -> None:
        if step is self.wanted:
            print(f"halted: {step}", flush=True)
            await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class HaltingLog:
    """ports.AuditLog."""

    behind: AuditLog
    halt: Halt

    async def append(self, record: AuditRecord) -> None:
        is_end = isinstance(record, AttemptRecord)
        if is_end:
            await self.halt.at(Step.ENDED)
        await self.behind.append(record)
        await self.halt.at(Step.RECORDED if is_end else Step.RELEASED)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        return await self.behind.attempts(profile, trigger, since)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltingLease:
    """ports.Lease."""

    behind: Lease
    halt: Halt
    trigger: Trigger
    number: int
    repeats: bool
    unsettled: CutLeases | None
    done: frozenset[str] = frozenset()

    async def still_held(self) -> bool:
        return await self.behind.still_held()

    async def settle(self, settlement: Settlement) -> None:
        await self.behind.settle(settlement)
        await self.halt.at(Step.SETTLED)


@dataclass(frozen=True, slots=True)
class HaltingQueue:
    """ports.Queue."""

    behind: Queue
    halt: Halt

    async def lease(self, until: asyncio.Event) -> Lease | None:
        lease = await self.behind.lease(until)
        if lease is None:
            return None
        await self.halt.at(Step.LEASED)
        return HaltingLease(
            behind=lease,
            halt=self.halt,
            trigger=lease.trigger,
            number=lease.number,
            repeats=lease.repeats,
            unsettled=lease.unsettled,
        )


@contextmanager
def halted(home: Home, step: Step) -> Iterator[Command]:
    """Give a process that performs runs, once it has stopped at that step of one."""
    run = [sys.executable, "-m", "tests.installed.halting_process", step]
    environment = home.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with command.running(run, environment) as running:
        running.await_said(f"halted: {step}")
        yield running


async def main(settings: Settings, halt: Halt) -> None:
    hosts = await find_hosts(settings)
    async with (
        open_store(settings) as store,
        open_recording(store, Noun.ANALYSIS) as audit,
    ):
        catalog = _catalog(settings, store)
        await catalog.refresh()
        parts = RunParts(
            store=store,
            catalog=catalog,
            audit=HaltingLog(audit, halt),
            metrics=RunMetrics(place="hosted"),
            schedule=RUNS,
        )
        runs = hosted_runs(settings, parts, hosts)
        queue = HaltingQueue(runs.worker.queue, halt)
        halting = replace(runs, worker=replace(runs.worker, queue=queue))
        stop = asyncio.Event()
        async with background(catalog.watch(stop)):
            await halting.work(stop, timedelta())


def _catalog(settings: Settings, store: Store) -> LiveCatalog:
    return LiveCatalog(
        database=store.database,
        guard=store.guard,
        world=store.audit_log.world,
        rules=action_rules(settings),
        replaced=lambda _: None,
    )


if __name__ == "__main__":
    asyncio.run(main(load_settings(None, {}), Halt(Step(sys.argv[1]))))
