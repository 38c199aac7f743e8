"""`keyrelay audit`: attempts, changes, releases, and the proof that none is missing."""

from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keyrelay.cli.audit_view import Acting, RecordFilter, in_words, record_document
from keyrelay.cli.columns import (
    instant,
    other_id,
    own_id,
    records,
    subjects,
    text,
    word,
)
from keyrelay.cli.fitted import acting_names
from keyrelay.cli.options import ActionFilter, AnalysisFilter, AsJson, Limit, Since
from keyrelay.cli.output import Document, put, put_document, show
from keyrelay.cli.pagination import Rows, list_all
from keyrelay.cli.refusals import FoundBroken, WrongUsage
from keyrelay.cli.session import Session, perform
from keyrelay.services.audit import AuditReading
from keyrelay.stores.audit.chain import Breach
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.trail import TrailEntry
from keyrelay.stores.audit.verification import Verification

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Who used or changed what."
)


class RecordKind(StrEnum):
    ATTEMPT = "attempt"
    CHANGE = "change"
    RELEASE = "release"


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay audit list --kind change --since 7d
  keyrelay audit list --analysis 'cold rooms'
  keyrelay audit list --json | jq '.[] | select(.outcome == "uncertain")'""",
)
def list_(
    ctx: typer.Context,
    *,
    kind: Annotated[RecordKind | None, typer.Option(help="Only of this kind.")] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Only about this trigger.")
    ] = None,
    action: ActionFilter = None,
    analysis: AnalysisFilter = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the records of the profile, newest first."""
    acting = Acting(action=action, analysis=analysis)
    chosen = RecordFilter(kind=kind, trigger=trigger, acting=acting, since=since)
    rows = chosen.rows if as_json else _in_words(chosen.rows)
    columns = (
        instant("at"),
        own_id(records),
        word("about"),
        other_id("subject", subjects),
        text("what"),
        text("by"),
        text("detail"),
    )
    list_all(ctx, rows, columns, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay audit show 6745d1f0c2b9a8e7d6c5b4a3")
def show_(
    ctx: typer.Context,
    *,
    record: Annotated[str, typer.Argument(metavar="ID", help="The record's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one record."""

    async def work(session: Session) -> TrailEntry:
        reading = AuditReading(trail=session.store.trail)
        return await reading.record(session.profile.id, record)

    show(record_document(perform(ctx, work)), as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay audit verify
  keyrelay audit verify --checkpoint worker-1/audit.checkpoint
  keyrelay audit verify --no-checkpoint

Each worker notes in audit.checkpoint, in its data directory, how far its records
had got: a cut-off end shows in no other way. On many machines, give all of them.

The exit code is 0 if nothing is missing or altered, and 4 if something is."""
)
def verify(
    ctx: typer.Context,
    *,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="Compare with this file instead of our own; repeatable.",
            metavar="FILE",
        ),
    ] = None,
    no_checkpoint: Annotated[
        bool, typer.Option("--no-checkpoint", help="Follow the chains alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove that no record of any profile was altered, removed, moved or added."""
    if checkpoint and no_checkpoint:
        raise WrongUsage("give --checkpoint or --no-checkpoint")
    files = [CheckpointFile(path) for path in checkpoint or ()]
    chosen = files if files or no_checkpoint else None
    verdict = perform(ctx, lambda session: session.store.trail.verify(chosen))
    if as_json:
        put_document(_document(verdict))
    if verdict.breach is not None:
        raise FoundBroken(sentence_of(verdict.breach))
    if not as_json:
        put(f"{verdict.records} records in {verdict.chains} chains, nothing is missing")


def _in_words(rows: Rows) -> Rows:
    async def worded(session: Session, limit: int | None) -> AsyncIterator[Document]:
        found = [record async for record in rows(session, limit)]
        names = await acting_names(session, found)
        for record in found:
            yield in_words(record, names)

    return worded


def sentence_of(breach: Breach) -> str:
    places = {"chain": breach.chain, "record": breach.seq or "", "id": breach.id or ""}
    where = ", ".join(f"{name} {place}" for name, place in places.items() if place)
    return f"the audit trail is broken{where and f' at {where}'}: {breach.what}"


def _document(verdict: Verification) -> Document:
    breach = verdict.breach
    return {
        "records": verdict.records,
        "chains": verdict.chains,
        "breach": breach
        and {
            "chain": breach.chain,
            "seq": breach.seq,
            "id": breach.id,
            "what": breach.what,
        },
    }
