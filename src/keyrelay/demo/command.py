"""`keyrelay demo`: a hundred triggers, two receivers, one kill, nothing lost."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from keyrelay.cli.exits import ExitCode
from keyrelay.cli.refusals import Refused
from keyrelay.demo.checks import Check
from keyrelay.demo.output import Output
from keyrelay.demo.shell import UnexpectedAnswer

app = typer.Typer(rich_markup_mode=None)

_KEEP = typer.Option("--keep", help="Leave the temporary directory behind.")


@app.command(
    epilog="""\b
Examples:
  keyrelay demo
  keyrelay demo --keep      then look around in what it leaves behind

The exit code is 0 if every check held, and 1 if one did not."""
)
def demo(*, keep: Annotated[bool, _KEEP] = False) -> None:
    """Show it all on this machine: mails, messages, a killed worker, a denial."""
    try:
        # Here, because it is made of what may be missing.
        from keyrelay.demo.steps import run_steps
    except ModuleNotFoundError:
        more = "the demo needs more: run pip install 'keyrelay[demo]'"
        raise Refused(more) from None
    console = Console(highlight=False)
    console.width = min(console.width, 100)
    output = Output(console)
    directory = Path(tempfile.mkdtemp(prefix="keyrelay-demo-"))
    try:
        asyncio.run(run_steps(output, directory))
    except (UnexpectedAnswer, TimeoutError) as fault:
        why = str(fault) or "it took too long"
        output.check(Check(f"the demo broke off: {why}", holds=False))
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
    output.conclude()
    if keep:
        output.say(f"Everything is left in {directory}.")
    if output.failed:
        raise typer.Exit(ExitCode.REFUSED)
