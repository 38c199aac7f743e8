"""CLI: the command `keyrelay`; each noun is a module, loaded only when it is called."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from keyrelay import __version__
from keyrelay.cli.exits import MEANINGS, report_crash
from keyrelay.cli.options import GlobalOptions
from keyrelay.cli.streams import prepare_streams
from keyrelay.vault.hardening import harden

_COMMANDS = {
    "init": "Set up: data directory, database, keys, profile.",
    "up": "Work and answer the API until stopped, on one machine.",
    "api": "Answer the API until stopped; several processes may.",
    "worker": "Work until stopped, or with --drain until nothing is due.",
    "secret": "Secrets: sealed, replaced, never read back.",
    "restore": "A database older than its checkpoint: looked at, accepted.",
    "definitions": "Definitions altered in the database: taken as they are.",
    "action": "Actions: what a trigger can ask for.",
    "analysis": "Analyses: scripts that are given an environment of secrets.",
    "runtime": "Runtimes: what scripts can run with here, and behind which wall.",
    "policy": "Policies: which action may use which secret.",
    "export": "Export: all definitions in one document, without values.",
    "apply": "Apply: definitions, made as such a document says.",
    "trigger": "Triggers: publish them, see where they stand.",
    "attempt": "Attempts: what was tried, and how it ended.",
    "dead-letter": "Dead letters: what could not be delivered.",
    "job": "Jobs: long work of the API, seen and cancelled.",
    "audit": "Audit: who changed or used what, and the proof.",
    "token": "Tokens: what programs show to the API.",
    "profile": "Profiles: tenants, which share nothing.",
    "key": "Keys: whether the vault and its secrets open.",
    "topics": "Topics: made in Kafka, and whether they are right.",
    "migrate": "Migrate: the database's tables, brought up to date.",
    "copy": "Copy: an installation, moved into another database.",
    "demo": "See it work here: mails, messages, a kill, nothing lost.",
}
_OTHER_ROOMS = {"demo": "keyrelay.demo.command"}
_EXAMPLE = """\b
Examples:
  keyrelay init
  keyrelay secret list --json
  keyrelay --profile north trigger publish --action alarm --value 9.5"""


class _Commands(TyperGroup):
    """Loads a command's module when it is called, not to list it in the help."""

    def resolve_command(  # type: ignore[override] # its own name is not public
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else None, rest

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override] # as above
        # Imported here: the help does without it, and it is slow to load.
        from keyrelay.cli.refusals import foreseen

        with foreseen():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def load(name: str) -> TyperCommand | TyperGroup:
    name_of_module = _OTHER_ROOMS.get(name, f"keyrelay.cli.{name.replace('-', '_')}")
    module = importlib.import_module(name_of_module)
    command = typer.main.get_command(module.app)
    assert isinstance(command, TyperCommand | TyperGroup)
    return command


def run() -> None:
    """Run the command line of this process, and end it with its exit code."""
    harden(sys.platform)
    sys.excepthook = report_crash
    prepare_streams()
    try:
        typer.main.get_command(app)(prog_name="keyrelay")
    except OSError as error:  # the help is printed before a command is invoked
        from keyrelay.cli.refusals import unavailable  # as in `invoke`

        sys.exit(unavailable(error).exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(epilog=f"{_EXAMPLE}\n\n{MEANINGS}")
def keyrelay(
    ctx: typer.Context,
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="Data directory, instead of KEYRELAY_HOME.", metavar="DIR"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file, instead of KEYRELAY_CONFIG.",
            metavar="FILE",
            envvar="KEYRELAY_CONFIG",
            show_envvar=False,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Profile to act in, by name.", metavar="NAME"),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print it."
        ),
    ] = False,
) -> None:
    """Triggers in; e-mail and SQS messages out; nobody sees the secrets."""
    os.umask(0o077)  # whatever this process makes is its owner's alone
    ctx.obj = GlobalOptions(config=config, home=home, profile=profile)


def _unloaded() -> None:
    """Placeholder in the help for a command that is not loaded."""


for _name, _line in _COMMANDS.items():
    app.command(_name, help=_line)(_unloaded)
