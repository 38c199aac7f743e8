"""`keyrelay api`: one of several processes that answer over HTTP, until stopped."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import typer

from keyrelay.api.application import application
from keyrelay.api.authorization import Authorization
from keyrelay.api.border.connections import Refusals
from keyrelay.api.counting import request_metrics
from keyrelay.api.front import Application
from keyrelay.api.listening import Listening, listening
from keyrelay.api.routes import ROUTES
from keyrelay.api.server import serve
from keyrelay.api.tries import FailedTries
from keyrelay.app.api import ApiProcess, open_api
from keyrelay.app.external_runs import HandingParts, hand_out_runs
from keyrelay.app.jobs import job_runner
from keyrelay.app.settings import Settings
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import run, settings_of
from keyrelay.cli.stopping import stop_on_signals
from keyrelay.concurrency.background import background
from keyrelay.console.application import console_application
from keyrelay.console.one_address import OneAddress
from keyrelay.console.pages import PAGES
from keyrelay.observability.logs import configure_logs
from keyrelay.observability.probes import OFF, Probes, open_probes

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay api
  KEYRELAY_API=127.0.0.1:9000 keyrelay api

  curl -H "token: $(keyrelay token create me --permission full)" \\
    http://127.0.0.1:8473/secrets

On SIGINT, SIGTERM or SIGHUP, requests under way are finished, for up to
KEYRELAY_GRACE_SECONDS. A second signal ends the process at once."""
)
def api(ctx: typer.Context) -> None:
    """Answer the management API; several processes may, on one database."""
    settings = settings_of(ctx)
    found = listening(settings)
    if found is None:
        raise WrongUsage("the setting `api` (KEYRELAY_API) is `off`: name an address")
    configure_logs(settings.log_format, sys.stderr, logging.INFO)
    run(_serve_until_signal(settings, found))


async def _serve_until_signal(settings: Settings, found: Listening) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with (
        serving(settings, found, stop) as process,
        open_probes(
            settings.probes,
            _probes(process, stop),
            chosen="probes" in settings.model_fields_set,
        ) as place,
    ):
        if place != OFF:
            log.info("probes are answered", probes=place)
        await stop.wait()


def _probes(process: ApiProcess, stop: asyncio.Event) -> Probes:
    observed = process.observed
    return Probes(
        registry=observed.registry,
        readiness=observed.readiness,
        stop=stop,
        process="api",
    )


def _handing(process: ApiProcess) -> HandingParts:
    return HandingParts(
        store=process.store,
        runs=process.streams.runs,
        registry=process.observed.registry,
    )


@asynccontextmanager
async def serving(
    settings: Settings, found: Listening, stop: asyncio.Event
) -> AsyncIterator[ApiProcess]:
    """Answer until `stop` is set or the block ends, and then what was asked before."""
    metrics = request_metrics(ROUTES)
    async with open_api(settings, metrics) as process:
        authorization = Authorization(
            authenticating=process.new_authenticating(),
            tries=FailedTries(clock=time.monotonic),
            metrics=metrics,
        )
        served = _served(process, authorization)
        refusals = Refusals(metrics.refuse)
        jobs = job_runner(process.store, process.queue)
        async with (
            background(jobs.run(stop)) as running,
            background(hand_out_runs(settings, _handing(process), stop)) as handing,
        ):
            async with serve(served, found, stop, refusals) as url:
                _tell(url)
                yield process
            # What was begun of a job, or of a run, is finished.
            await asyncio.wait([running, handing])
    log.info("api stopped")


def _served(process: ApiProcess, authorization: Authorization) -> Application:
    """Return the API, and beside it the console, which is its first client."""
    return OneAddress(
        api=application(process, authorization, ROUTES),
        console=console_application(process, authorization, ROUTES, PAGES),
    )


def _tell(url: str) -> None:
    how = "keyrelay token create NAME --permission full"
    log.info(
        "api started",
        url=url,
        console=f"{url}/console/",
        reference=f"{url}/reference",
        token=how,
    )
