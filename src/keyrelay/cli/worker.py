"""`keyrelay worker`: one of several processes that deliver."""

from typing import Annotated

import typer

from keyrelay.cli.options import AsJson
from keyrelay.cli.working import work

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay worker
  keyrelay worker --drain            97 delivered, 1 buried, 2 to be tried again later

SIGINT or SIGTERM: what was begun is finished, for up to KEYRELAY_GRACE_SECONDS; a
second one ends it at once, and what was begun goes back when its lease ends."""
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
    work(ctx, drain=drain, as_json=as_json)
