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
from keyrelay.api.listening import Listening, listening
from keyrelay.api.routes import ROUTES
from keyrelay.api.server import serve
from keyrelay.api.tries import FailedTries
from keyrelay.app.api import open_api
from keyrelay.app.jobs import job_runner
from keyrelay.app.settings import Settings
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.session import run, settings_of
from keyrelay.cli.stopping import stop_on_signals
from keyrelay.concurrency.background import background
from keyrelay.observability.logs import configure_logs

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
    async with serving(settings, found, stop):
        await stop.wait()


@asynccontextmanager
async def serving(
    settings: Settings, found: Listening, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Answer until `stop` is set or the block ends, and then what was asked before."""
    tries = FailedTries(clock=time.monotonic)
    async with open_api(settings) as process:
        authorization = Authorization(
            authenticating=process.new_authenticating(), tries=tries
        )
        served = application(process, authorization, ROUTES)
        jobs = job_runner(process.store, process.queue)
        async with background(jobs.run(stop)) as running:
            async with serve(served, found, stop) as url:
                how = "keyrelay token create NAME --permission full"
                reference = f"{url}/reference"
                log.info("api started", url=url, reference=reference, token=how)
                yield
            await asyncio.wait([running])  # what was begun of a job is finished
    log.info("api stopped")
