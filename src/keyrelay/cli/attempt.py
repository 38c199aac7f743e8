"""`keyrelay attempt`: what was tried, and how it ended."""

from typing import Annotated

import typer

from keyrelay.cli.audit_view import RecordFilter, record_document
from keyrelay.cli.columns import (
    ACTION,
    attempted,
    instant,
    other_id,
    own_id,
    records,
    text,
    word,
)
from keyrelay.cli.options import ActionFilter, AsJson, Limit, Since
from keyrelay.cli.output import show
from keyrelay.cli.pagination import list_all
from keyrelay.cli.session import Session, perform
from keyrelay.services.audit import ATTEMPT, AuditReading
from keyrelay.stores.audit.trail import TrailEntry

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What was tried, how it ended."
)


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
    attempts = RecordFilter(kind=ATTEMPT, trigger=trigger, action=action, since=since)
    columns = (
        instant("at"),
        own_id(records),
        other_id("trigger", attempted),
        *ACTION,
        word("attempt", optional=True),
        word("outcome"),
        word("settlement", optional=True),
        text("reason"),
    )
    list_all(ctx, attempts.rows, columns, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay attempt show 6745d1f0c2b9a8e7d6c5b4a3")
def show_(
    ctx: typer.Context,
    *,
    attempt: Annotated[str, typer.Argument(metavar="ID", help="Its record's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one attempt's record."""

    async def work(session: Session) -> TrailEntry:
        reading = AuditReading(trail=session.store.trail)
        return await reading.attempt(session.profile.id, attempt)

    show(record_document(perform(ctx, work)), as_json=as_json)
