"""`keyrelay up`: everything on one machine, in one process."""

import typer

from keyrelay.cli.worker import run_worker

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay up
  KEYRELAY_LANES=64 keyrelay up      more attempts at once

On SIGINT, SIGTERM or SIGHUP, attempts under way are finished, for up to
KEYRELAY_GRACE_SECONDS. A second signal ends the process at once; then their triggers
go back to the queue when their leases end."""
)
def up(ctx: typer.Context) -> None:
    """Take triggers from the embedded queue and deliver them, until stopped."""
    run_worker(ctx, drain=False, as_json=False)
