"""`keyrelay runtime`: what scripts of analyses can run with on this machine."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from keyrelay.app.runtimes import RuntimeFound, runtimes_found
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put_document, say, show_table

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Interpreters of scripts, and the wall around them.",
)


@app.callback()
def runtime() -> None:
    """Interpreters of scripts, and the wall around them."""


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay runtime list
  keyrelay runtime list --json""",
)
def list_(*, as_json: AsJson = False) -> None:
    """List the interpreters that are here, and say whether a sandbox can be made."""
    found = runtimes_found()
    if as_json:
        put_document({"runtimes": _documents(found)})
        return
    show_table(_documents(found), ("language", "interpreter", "wall"))
    for each in found:
        if each.refusal is not None:
            say(f"{each.language}: {each.refusal}")


def _documents(found: Sequence[RuntimeFound]) -> list[Document]:
    return [asdict(each) for each in found]
