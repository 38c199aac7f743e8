"""`keyrelay attempt`: what was tried, and how it ended."""

from typing import Annotated

import typer

from keyrelay.cli.options import ActionFilter, AsJson, Limit, Since
from keyrelay.cli.output import show
from keyrelay.cli.pages import Pages, list_all
from keyrelay.cli.records import Sought, document_of
from keyrelay.cli.session import Session, perform
from keyrelay.stores.audit.trail import TrailEntry
from keyrelay.stores.refusals import NotFound

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What was tried, how it ended."
)

KIND = "attempt"


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay attempt list --action 'too warm' --since 1h
  keyrelay attempt list --trigger door-17-0001 --json""",
)
def list_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str | None, typer.Option(help="Only of this trigger.")] = None,
    action: ActionFilter = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the attempts of the profile, newest first."""
    sought = Sought(kind=KIND, trigger=trigger, action=action, since=since)
    columns = ("at", "id", "trigger", "attempt", "outcome", "settlement", "reason")
    pages = Pages(fetch=sought.fetch(), columns=columns)
    list_all(ctx, pages, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay attempt show 6745d1f0c2b9a8e7d6c5b4a3")
def show_(
    ctx: typer.Context,
    *,
    attempt: Annotated[str, typer.Argument(metavar="ID", help="Its record's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one attempt's record."""

    async def work(session: Session) -> TrailEntry:
        entry = await session.store.trail.get(session.profile.id, attempt)
        if entry.document.get("kind") != KIND:
            raise NotFound(KIND, attempt)
        return entry

    show(document_of(perform(ctx, work)), as_json=as_json)
