"""Analysis logs: the console of an analysis, as it is and as it goes on."""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Annotated

import typer

from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put, put_json, say
from keyrelay.cli.session import Session, perform
from keyrelay.model.audit_document import printable
from keyrelay.model.console import ConsoleLine, with_gap
from keyrelay.model.instant import wire_instant
from keyrelay.services.naming import find_definition
from keyrelay.stores.definitions.stored_document import id_of

LOOK_EACH = timedelta(milliseconds=500)

EXAMPLES = """\b
Examples:
  keyrelay analysis logs 'cold rooms'
  keyrelay analysis logs 'cold rooms' --follow
  keyrelay analysis logs 'cold rooms' --follow --json

The last 200 lines are kept, and of those the last 64 KiB. With --follow, JSON is an
object a line, else one array."""


def logs(
    ctx: typer.Context,
    *,
    analysis: Annotated[
        str, typer.Argument(metavar="ANALYSIS", help="Its id or its name.")
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on, until it is interrupted.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an analysis' script has printed, the oldest line first."""

    async def work(session: Session) -> None:
        documents = session.store.definitions.analyses.documents
        found = await find_definition(documents, session.profile.id, analysis)
        if follow:
            await _follow(session, id_of(found), as_json=as_json)
        else:
            await _show(session, id_of(found), as_json=as_json)

    perform(ctx, work)


async def _show(session: Session, id_: str, *, as_json: bool) -> None:
    found = await session.store.consoles.after(session.profile.id, id_, 0)
    lines = [each.line for each in found]
    if as_json:
        await put_json(_documents(lines))
    elif lines:
        _put(lines)
    else:
        say("it has printed nothing yet")


async def _follow(session: Session, id_: str, *, as_json: bool) -> None:
    """Show what is there, then what comes. Raises NotFound once it is deleted."""
    place = 0
    while True:
        place = await put_new(session, id_, place, as_json=as_json)
        await session.world.sleep(LOOK_EACH)


async def put_new(
    session: Session, id_: str, place: int, *, as_json: bool = False
) -> int:
    """Show what came behind that place, and return the place of the last of it."""
    found = await session.store.consoles.after(session.profile.id, id_, place)
    # What was gone before it began is no gap.
    lines = with_gap(place, found) if place else [each.line for each in found]
    if as_json:
        for line in lines:
            put(json.dumps(_document(line)))
    else:
        _put(lines)
    return found[-1].place if found else place


async def _documents(lines: Iterable[ConsoleLine]) -> AsyncIterator[Document]:
    for line in lines:
        yield _document(line)


def _document(line: ConsoleLine) -> Document:
    return {"timestamp": wire_instant(line.at), "message": line.text}


def _put(lines: Iterable[ConsoleLine]) -> None:
    """Print each behind its time; what else it has of lines stands below, indented."""
    for line in lines:
        at = wire_instant(line.at)
        first, *others = (_printed(part) for part in line.text.split("\n"))
        put(f"{at}  {first}")
        for part in others:
            put(f"{' ' * len(at)}  {part}")


def _printed(text: str) -> str:
    shown = text.expandtabs()
    return printable(shown, len(shown))
