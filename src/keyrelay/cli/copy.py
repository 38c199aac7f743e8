"""`keyrelay copy`: an installation, moved into another database."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import SecretStr
from sqlalchemy import make_url

from keyrelay.app.setting_kinds import database_url
from keyrelay.app.settings import Settings
from keyrelay.app.transfer import open_transfer
from keyrelay.cli.audit import sentence_of
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put, put_document, say, show_table
from keyrelay.cli.progress import progress
from keyrelay.cli.refusals import FoundBroken, WrongUsage
from keyrelay.cli.session import run, settings_of
from keyrelay.services.transfer import Transfer, Transferred

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "copy",
    epilog="""\b
Examples:
  keyrelay copy --to postgresql://keyrelay@db.example.com/keyrelay
  keyrelay copy --from sqlite:////var/lib/keyrelay/keyrelay.db

Stop all workers first. Left out, --from or --to is the database of the settings: so its
password is no argument. Cut short, it goes on when it is run again; until it is done,
nothing can work on the copy. What waits in the queue stays there.""",
)
def copy_(
    ctx: typer.Context,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help="Where it is.", metavar="URL")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", help="Where it is to be.", metavar="URL")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy definitions, secrets, audit trail and dead letters into another database."""
    settings = settings_of(ctx)
    if source is None and target is None:
        raise WrongUsage("give --from, --to or both")
    from_ = _url(source, settings)
    to = _url(target, settings)
    if make_url(from_) == make_url(to):
        raise WrongUsage("source and target are the same database")
    moved = run(_move(settings, from_, to, shown=not as_json))
    if as_json:
        put_document(_document(moved))
    if not moved.usable and moved.verdict.breach is not None:
        raise FoundBroken(
            f"nothing can work on the copy: {sentence_of(moved.verdict.breach)}"
        )
    if not as_json:
        _tell(moved)
    if moved.verdict.breach is not None:
        raise FoundBroken(f"as in the source, {sentence_of(moved.verdict.breach)}")


async def _move(
    settings: Settings, source: str, target: str, *, shown: bool
) -> Transferred:
    async with open_transfer(settings, source, target) as move:
        if move.complete:
            say("keyrelay: it was copied before, and is only looked at")
        async with progress(_words(move), shown=shown and sys.stderr.isatty()):
            return await move.run()


def _words(move: Transfer) -> Callable[[], str]:
    rows, done = sum(move.rows.values()), move.copying.done
    return lambda: f"{done.total()} of {rows} rows"


def _url(given: str | None, settings: Settings) -> str:
    if given is None:
        return settings.database_url
    try:
        database_url(SecretStr(given))
    except ValueError as fault:
        raise WrongUsage(str(fault)) from None
    if make_url(given).password is not None:
        raise WrongUsage(
            "a password is no argument, for process lists show those: set"
            " KEYRELAY_DATABASE and leave the option out, or use ~/.pgpass"
        )
    return given


def _document(moved: Transferred) -> Document:
    return {
        "rows": {**moved.rows},
        "records": moved.verdict.records,
        "chains": moved.verdict.chains,
        "breach": moved.verdict.breach and sentence_of(moved.verdict.breach),
        "secrets": moved.secrets,
        "secrets_broken": moved.flaws,
    }


def _tell(moved: Transferred) -> None:
    show_table(
        [{"table": name, "rows": str(rows)} for name, rows in moved.rows.items()],
        ("table", "rows"),
    )
    put(
        f"{moved.verdict.records} records in {moved.verdict.chains} chains, nothing is"
        f" missing; {moved.secrets - moved.flaws} of {moved.secrets} secrets open"
    )
    say("Set KEYRELAY_DATABASE to it everywhere before anything is started.")
