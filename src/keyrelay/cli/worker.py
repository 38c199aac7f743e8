"""`keyrelay worker`: one of several processes that deliver, until it is stopped."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import structlog
import typer

from keyrelay.app.channels import open_dispatchers
from keyrelay.app.hosting import find_hosts
from keyrelay.app.settings import Settings
from keyrelay.app.worker import WorkerProcess, open_worker
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import put
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.session import run, settings_of
from keyrelay.cli.stopping import stop_on_signals
from keyrelay.concurrency.gc_freeze import frozen_for_good
from keyrelay.dispatchers.script.hosting import Hosts
from keyrelay.model.settlement import Bury, TryAgain
from keyrelay.observability.logs import configure_logs
from keyrelay.observability.probes import OFF, Probes, open_probes
from keyrelay.ports import Unavailable

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay worker
  keyrelay worker --drain            97 delivered, 1 buried, 2 to be tried again later

On SIGINT, SIGTERM or SIGHUP, attempts under way are finished, for up to
KEYRELAY_GRACE_SECONDS. A second signal ends the process at once; then their triggers
go back to the queue when their leases end."""
)
def worker(
    ctx: typer.Context,
    *,
    drain: Annotated[
        bool, typer.Option("--drain", help="End when nothing is due or leased.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take triggers from the queue and deliver them; several may run at once."""
    run_worker(ctx, drain=drain, as_json=as_json)


def run_worker(ctx: typer.Context, *, drain: bool, as_json: bool) -> None:
    """Work until a signal, or with `drain` until nothing is due; then print counts."""
    settings = settings_of(ctx)
    shown = drain and is_progress_seen(answers=False)
    # A log line an attempt would repeat what the progress shows.
    level = logging.WARNING if shown else logging.INFO
    configure_logs(settings.log_format, sys.stderr, level)
    done = run(_work_until_signal(settings, drain=drain, shown=shown))
    if as_json:
        put(json.dumps(done))
    elif drain:
        locked = f" {done['locked']} locked," if done["locked"] else ""
        waiting = "unknown how many" if done["waiting"] is None else done["waiting"]
        put(
            f"{done['delivered']} delivered,{locked} {done['buried']} buried,"
            f" {waiting} to be tried again later"
        )


async def _work_until_signal(
    settings: Settings, *, drain: bool, shown: bool
) -> dict[str, int | None]:
    stop = asyncio.Event()
    stop_on_signals(stop)
    return await work_until(stop, settings, drain=drain, shown=shown)


async def work_until(
    stop: asyncio.Event,
    settings: Settings,
    *,
    drain: bool,
    shown: bool,
    hosting: bool = False,
) -> dict[str, int | None]:
    """Work until `stop` is set or the queue is drained; return what was done.

    `hosting` tells whether hosted runs are performed where no setting says it.
    """
    # A drain may run beside a worker that has the same settings: the address is taken.
    address = OFF if drain else settings.probes
    hosts = None if drain else await _hosts(settings, hosting=hosting)
    async with (
        open_dispatchers(settings) as dispatchers,
        open_worker(settings, dispatchers, drain=drain, hosts=hosts) as process,
        open_probes(
            address,
            _probes(process, stop),
            chosen="probes" in settings.model_fields_set,
        ) as place,
        progress(_words(process), shown=shown),
    ):
        await _work(process, stop, settings, place)
        waiting = await _waiting(process)
    done = _done(process, waiting)
    log.info("worker stopped", **done)
    return done


def _done(process: WorkerProcess, waiting: int | None) -> dict[str, int | None]:
    metrics = process.observability.metrics
    return {
        "delivered": metrics.attempted("delivered"),
        "locked": metrics.attempted("locked"),
        "buried": metrics.settlements[Bury],
        "waiting": waiting,
    }


async def _work(
    process: WorkerProcess,
    stop: asyncio.Event,
    settings: Settings,
    probes: str,
) -> None:
    begun, grace = asyncio.Event(), timedelta(seconds=settings.grace_seconds)

    def begin() -> None:
        _started(settings, probes)
        begun.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(process.supervisor.work(stop, grace, begin))
        await begun.wait()  # until the definitions are there
        if process.runs is not None:
            group.create_task(process.runs.work(stop, grace))
        if process.scheduler is not None:
            group.create_task(process.scheduler.run(stop))


async def _hosts(settings: Settings, *, hosting: bool) -> Hosts | None:
    """Return what hosted scripts run with here; None, this process runs none."""
    named = settings.analyses
    if not ("hosted" in named if named else hosting):
        return None
    hosts = await find_hosts(settings)
    for language, refusal in hosts.refusals.items():
        log.warning("no scripts are run", language=language, reason=refusal)
    if not (hosts.hosts or hosting):
        return None  # another worker may be able to
    return hosts


async def _waiting(process: WorkerProcess) -> int | None:
    """Return how many triggers wait; None, the queue does not answer.

    A worker may be stopped because of that, and its work is done nevertheless.
    """
    try:
        return (await process.backlog.depth()).waiting
    except Unavailable as fault:
        log.warning("what waits is not known", reason=str(fault))
        return None


def _started(settings: Settings, probes: str) -> None:
    with frozen_for_good():  # what is loaded by now is never garbage
        about = {"lanes": settings.lanes, "home": str(settings.home)}
        log.info("worker started", probes=probes, **about)


def _probes(process: WorkerProcess, stop: asyncio.Event) -> Probes:
    observability = process.observability
    return Probes(
        registry=observability.registry, readiness=observability.readiness, stop=stop
    )


def _words(process: WorkerProcess) -> Callable[[], str]:
    metrics = process.observability.metrics
    settled = metrics.settlements
    return lambda: (
        f"{metrics.attempted('delivered')} delivered, {settled[Bury]} buried,"
        f" {settled[TryAgain]} to be tried again"
    )
