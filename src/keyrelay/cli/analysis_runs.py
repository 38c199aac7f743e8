"""Analysis runs: analyses run on request, and what became of their runs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import typer

from keyrelay.app.runs import run_records, run_requests
from keyrelay.cli.analysis_logs import put_new
from keyrelay.cli.columns import Column, Content, instant, text, word
from keyrelay.cli.exits import ExitCode
from keyrelay.cli.input import read_bytes
from keyrelay.cli.options import AsJson, Limit
from keyrelay.cli.output import Document, put, put_document, say
from keyrelay.cli.pagination import list_all
from keyrelay.cli.session import Session, perform
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.json_flaws import json_flaw
from keyrelay.model.run import ListedRun, RunOrder, RunState, parse_scope
from keyrelay.services.naming import find_definition
from keyrelay.services.run_documents import run_document
from keyrelay.stores.definitions.stored_document import id_of

app = typer.Typer(rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="ANALYSIS", help="Its id or its name.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.")]
Scope = Annotated[
    str | None,
    typer.Option(
        metavar="F",
        help="File with what the script is given: a JSON array of data points; - is"
        " standard input.",
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Wait for its end, and show its lines.")
]

_LOOK = timedelta(milliseconds=250)
_LARGEST = 1024 * 1024  # bytes of a file with a scope


@app.command(
    epilog="""\b
Examples:
  keyrelay analysis run 'cold rooms'
  keyrelay analysis run 'cold rooms' --follow
  keyrelay analysis run 'cold rooms' --scope points.json --json

A run waits for `keyrelay up`, or a worker that hosts scripts, for an hour at most. With
--follow the exit code is 1 if the script fails."""
)
def run(
    ctx: typer.Context,
    *,
    analysis: Name,
    scope: Scope = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Run an analysis once, and print the id of the run."""
    given = parse_scope(None if scope is None else _read_scope(scope))

    async def work(session: Session) -> ListedRun | RunOrder:
        requests, profile = run_requests(session.store), session.profile.id
        documents = session.store.definitions.analyses.documents
        found = id_of(await find_definition(documents, profile, analysis))
        place = await session.store.consoles.end(profile, found)
        order = await requests.ask(profile, found, given, session.actor)
        if (remark := await requests.remark(order)) is not None:
            say(remark)
        if not follow:
            return order
        return await _ended(session, order, None if as_json else place)

    ended = perform(ctx, work)
    if isinstance(ended, RunOrder):
        put_document({"run": ended.id}) if as_json else put(ended.id)
        return
    _show_end(ended, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay analysis runs 'cold rooms'
  keyrelay analysis runs 'cold rooms' --json"""
)
def runs(
    ctx: typer.Context, *, analysis: Name, limit: Limit = None, as_json: AsJson = False
) -> None:
    """List the runs of an analysis, newest first; for a month after their end."""

    async def rows(session: Session, most: int | None) -> AsyncIterator[Document]:
        requests, profile = run_requests(session.store), session.profile.id
        documents = session.store.definitions.analyses.documents
        found = id_of(await find_definition(documents, profile, analysis))
        async for run in requests.read(profile, found, most):
            yield {**run_document(run), "said": _said(run)}

    columns = (
        Column(name="id", head="id"),
        word("state"),
        word("origin"),
        instant("asked_at"),
        instant("ended_at"),
        word("attempts", optional=True),
        Column(name="due", content=Content.INSTANT, head="due", optional=True),
        text("said", head="how it ended"),
    )
    list_all(ctx, rows, columns, limit, as_json=as_json)


async def _ended(session: Session, order: RunOrder, place: int | None) -> ListedRun:
    """Return the run once it is over; show the console's lines behind that place."""
    records, is_over = run_records(session.store), False
    while True:
        run = await records.get(order.profile, order.id)
        if place is not None:
            place = await put_new(session, order.analysis, place)
        if is_over:
            return run
        is_over = run.state.is_over  # its last lines are kept before that
        if not is_over:
            await session.world.sleep(_LOOK)


def _show_end(run: ListedRun, *, as_json: bool) -> None:
    if as_json:
        put_document(run_document(run))
    if run.state is RunState.FAILED:
        raise typer.Exit(ExitCode.REFUSED)


def _said(run: ListedRun) -> str:
    said = "" if run.result is None else run.result.sentence
    if (confirmed := run.confirmed) is None:
        return said
    end = "it ended well" if confirmed.ok else "it ended badly"
    message = f": {confirmed.message}" if confirmed.message else "."
    return f"{said} Its script says that {end}{message}".lstrip()


def _read_scope(file: str) -> object:
    given = read_bytes(file, largest=_LARGEST)
    if flaw := json_flaw(given):
        raise InvalidDefinition(f"a scope is a JSON array of data points: {flaw}")
    return parse_document(b'{"scope":%b}' % given)["scope"]
