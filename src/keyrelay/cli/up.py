"""`keyrelay up`: everything on one machine, in one process."""

import typer

from keyrelay.cli.worker import run_worker

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay up
  KEYRELAY_LANES=64 keyrelay up      more attempts at once

SIGINT or SIGTERM: what was begun is finished, for up to KEYRELAY_GRACE_SECONDS; a
second one ends it at once, and what was begun goes back when its lease ends."""
)
def up(ctx: typer.Context) -> None:
    """Take triggers from the embedded queue and deliver them, until stopped."""
    run_worker(ctx, drain=False, as_json=False)
