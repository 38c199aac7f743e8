"""`keyrelay attempt`: what was tried, and how it ended."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

import typer

from keyrelay.cli.audit_view import record_document
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
from keyrelay.cli.output import Document, show
from keyrelay.cli.pagination import Rows, list_all
from keyrelay.cli.session import Session, perform
from keyrelay.cli.times import parse_since
from keyrelay.model.outcome import ReasonClass
from keyrelay.services.attempts import AttemptReading
from keyrelay.services.naming import find_trigger
from keyrelay.stores.attempts import AttemptFilter, AttemptQuery, AttemptStore
from keyrelay.stores.audit.trail import TrailEntry

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What was tried, how it ended."
)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay attempt list --action 'too warm' --since 1h
  keyrelay attempt list --trigger door-17-0001 --json
  keyrelay attempt list --reason-class denied --since 1d""",
)
def list_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str | None, typer.Option(help="Only of this trigger.")] = None,
    action: ActionFilter = None,
    reason_class: Annotated[
        ReasonClass | None, typer.Option(help="Only of this class of reasons.")
    ] = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the attempts of the profile, newest first."""

    having = AttemptFilter(trigger=trigger, action=action, reason_class=reason_class)
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
    list_all(ctx, _rows(having, since), columns, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay attempt show 6745d1f0c2b9a8e7d6c5b4a3")
def show_(
    ctx: typer.Context,
    *,
    attempt: Annotated[str, typer.Argument(metavar="ID", help="Its record's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one attempt's record."""

    async def work(session: Session) -> TrailEntry:
        return await _reading(session).record(session.profile.id, attempt)

    show(record_document(perform(ctx, work)), as_json=as_json)


def _rows(written: AttemptFilter, since: str | None) -> Rows:
    """Return the attempts that match a filter as it was written, by names too."""

    async def rows(session: Session, limit: int | None) -> AsyncIterator[Document]:
        having = replace(
            written,
            trigger=written.trigger and await _trigger(session, written.trigger),
            action=await session.action_id(written.action),
        )
        begun = parse_since(since, session.world.now())
        query = AttemptQuery(having=having, since=begun)
        records = _reading(session).records(session.profile.id, query, limit)
        async for entry in records:
            yield record_document(entry)

    return rows


def _reading(session: Session) -> AttemptReading:
    attempts = AttemptStore(database=session.store.database)
    return AttemptReading(attempts=attempts, trail=session.store.trail)


async def _trigger(session: Session, given: str) -> str:
    places = [session.store.trail.triggers_beginning]
    return await find_trigger(places, session.profile.id, given)
