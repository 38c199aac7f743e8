"""`keyrelay up`: everything on one machine, in one process."""

import asyncio
import logging
import sys
from contextlib import nullcontext

import typer

from keyrelay.api.listening import listening
from keyrelay.app.settings import Settings
from keyrelay.cli.api import serving
from keyrelay.cli.session import run, settings_of
from keyrelay.cli.stopping import stop_on_signals
from keyrelay.cli.worker import work_until
from keyrelay.observability.logs import configure_logs

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay up
  KEYRELAY_LANES=64 keyrelay up      more attempts at once
  KEYRELAY_API=off keyrelay up       a worker without the API

On SIGINT, SIGTERM or SIGHUP, requests and attempts under way are finished, for up to
KEYRELAY_GRACE_SECONDS. A second signal ends the process at once; then their triggers
go back to the queue when their leases end."""
)
def up(ctx: typer.Context) -> None:
    """Answer the API, take triggers from the queue and deliver them, until stopped."""
    settings = settings_of(ctx)
    configure_logs(settings.log_format, sys.stderr, logging.INFO)
    run(_run_all(settings))


async def _run_all(settings: Settings) -> None:
    stop, found = asyncio.Event(), listening(settings)
    stop_on_signals(stop)
    async with nullcontext() if found is None else serving(settings, found, stop):
        await work_until(stop, settings, drain=False, shown=False, hosting=True)
