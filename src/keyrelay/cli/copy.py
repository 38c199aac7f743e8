"""`keyrelay copy`: an installation, copied into another database."""

from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import SecretStr

from keyrelay.app.setting_kinds import database_url
from keyrelay.app.settings import Settings
from keyrelay.app.transfer import open_transfer
from keyrelay.cli.audit import sentence_of
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put, put_document, say, show_table
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.refusals import FoundBroken, WrongUsage
from keyrelay.cli.session import run, settings_of
from keyrelay.databases.opening import has_password, is_same
from keyrelay.services.transfer import Transfer, Transferred

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "copy",
    epilog="""\b
Examples:
  keyrelay copy --to postgresql://keyrelay@db.example.com/keyrelay
  keyrelay copy --from sqlite:////var/lib/keyrelay/keyrelay.db

Stop all workers first. If --from or --to is left out, it is the database of the
settings: so its password is no argument. A copy that was interrupted continues when the
command is run again; until it is done, nothing can work on it. What waits in the queue
stays there.""",
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
    if is_same(from_, to):
        raise WrongUsage("source and target are the same database")
    copied = run(_copy(settings, from_, to, shown=is_progress_seen(answers=False)))
    if as_json:
        put_document(_document(copied))
    if not copied.usable and copied.verdict.breach is not None:
        raise FoundBroken(
            f"nothing can work on the copy: {sentence_of(copied.verdict.breach)}"
        )
    if not as_json:
        _tell(copied)
    if copied.verdict.breach is not None:
        raise FoundBroken(f"as in the source, {sentence_of(copied.verdict.breach)}")


async def _copy(
    settings: Settings, source: str, target: str, *, shown: bool
) -> Transferred:
    async with open_transfer(settings, source, target) as transfer:
        if transfer.complete:
            say("keyrelay: it was copied before, and is only looked at")
        async with progress(_words(transfer), shown=shown):
            return await transfer.run()


def _words(transfer: Transfer) -> Callable[[], str]:
    rows, done = sum(transfer.rows.values()), transfer.copying.done
    return lambda: f"{done.total()} of {rows} rows"


def _url(given: str | None, settings: Settings) -> str:
    if given is None:
        return settings.database_url
    try:
        database_url(SecretStr(given))
    except ValueError as fault:
        raise WrongUsage(str(fault)) from None
    if has_password(given):
        raise WrongUsage(
            "a password is no argument, for process lists show those: set"
            " KEYRELAY_DATABASE and leave the option out, or use ~/.pgpass"
        )
    return given


def _document(copied: Transferred) -> Document:
    return {
        "rows": {**copied.rows},
        "records": copied.verdict.records,
        "chains": copied.verdict.chains,
        "breach": copied.verdict.breach and sentence_of(copied.verdict.breach),
        "secrets": copied.secrets,
        "secrets_broken": copied.flaws,
    }


def _tell(copied: Transferred) -> None:
    show_table(
        [{"table": name, "rows": str(rows)} for name, rows in copied.rows.items()],
        ("table", "rows"),
    )
    verdict, opened = copied.verdict, copied.secrets - copied.flaws
    put(
        f"{verdict.records} records in {verdict.chains} chains, nothing is missing;"
        f" {opened} of {copied.secrets} secrets open"
    )
    say("Set KEYRELAY_DATABASE to it everywhere before anything is started.")
