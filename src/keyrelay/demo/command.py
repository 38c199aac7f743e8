"""`keyrelay demo`: a hundred triggers, two receivers, one kill, nothing lost."""

from importlib.util import find_spec
from typing import Annotated

import typer

from keyrelay.cli.exits import ExitCode
from keyrelay.cli.refusals import Refused

app = typer.Typer(rich_markup_mode=None)

Keep = Annotated[
    bool, typer.Option("--keep", help="Leave the temporary directory behind.")
]

_EXTRA = ("aiosmtpd", "flask", "flask_cors", "moto", "trustme")


@app.command(
    epilog="""\b
Examples:
  keyrelay demo
  keyrelay demo --keep      then look around in what it leaves behind

The exit code is 0 if every check held, and 1 if one did not."""
)
def demo(*, keep: Keep = False) -> None:
    """Show it all on this machine: mails, messages, a killed worker, a denial."""
    if any(find_spec(name) is None for name in _EXTRA):
        raise Refused("the demo needs more: run pip install 'keyrelay[demo]'")
    # Here, because it is made of what may be missing.
    from keyrelay.demo.performance import perform

    if not perform(keep=keep):
        raise typer.Exit(ExitCode.REFUSED)
