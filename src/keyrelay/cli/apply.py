"""`keyrelay apply`: the definitions of the profile, made as a document says."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from keyrelay.cli.export import stores_of
from keyrelay.cli.input import confirm, read_document
from keyrelay.cli.options import AsJson, Yes
from keyrelay.cli.output import Document, put, put_document
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.results import refuse_any
from keyrelay.cli.session import Session, perform
from keyrelay.model.documents import DEEPEST
from keyrelay.services.applying import AppliedEntry, Applying, ApplyStep
from keyrelay.services.definition_entries import DefinitionEntry, parse_entries

app = typer.Typer(rich_markup_mode=None)

GivenFile = Annotated[
    str, typer.Option("--file", help="Such a document; - for stdin.", metavar="F")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Delete what is not in the document.")
]

_LARGEST = 512 * 1024 * 1024  # bytes of a document of all definitions


@app.command(
    "apply",
    epilog="""\b
Examples:
  keyrelay apply --file definitions.json --dry-run
  keyrelay apply --file definitions.json
  keyrelay apply --file definitions.json --prune --yes

Definitions are known by their ids, else by name or key; fields that are left out stay
as they are. A script is uploaded where another one runs, or none. Nothing is deleted
without --prune, and with it only if nothing is refused.

A secret that is not there cannot be made without its value: it is named with the
command that makes it, what needs it is refused, the rest is applied, and the exit code
is 1. To apply again afterwards makes what was missing, and changes nothing else.""",
)
def apply_(
    ctx: typer.Context,
    *,
    file: GivenFile,
    dry_run: DryRun = False,
    prune: Prune = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Create and change definitions, of secrets the tags, as a document says."""
    asked = prune and not (yes or dry_run)
    if asked and file == "-":
        raise WrongUsage("--prune of what standard input says needs --yes")
    given = read_document(file, largest=_LARGEST, deepest=DEEPEST + 2)
    wanted = parse_entries(given)
    if asked:
        confirm("Delete all definitions of the profile that are not in the document?")

    async def work(session: Session) -> Sequence[AppliedEntry]:
        return await _apply(_applying(session, trial=dry_run), wanted, prune=prune)

    applied = perform(ctx, work)
    if as_json:
        put_document(_document(applied))
    else:
        _tell(applied, tried=dry_run)
    refuse_any([each.detail for each in applied if each.step is ApplyStep.REFUSED])


def _applying(session: Session, *, trial: bool) -> Applying:
    return Applying(
        stores=stores_of(session),
        profile=session.profile.id,
        actor=session.actor,
        trial=trial,
    )


async def _apply(
    applying: Applying, wanted: Sequence[DefinitionEntry], *, prune: bool
) -> Sequence[AppliedEntry]:
    applied = list[AppliedEntry]()
    shown = is_progress_seen(answers=False)
    async with progress(lambda: f"{len(applied)} of {len(wanted)}", shown=shown):
        async for each in applying.apply(wanted, prune=prune):
            applied.append(each)
    return applied


def _tell(applied: Sequence[AppliedEntry], *, tried: bool) -> None:
    """Print a line for each that is not as it was, and how many of each there are."""
    for each in applied:
        if each.step not in (ApplyStep.UNCHANGED, ApplyStep.REFUSED):
            fields = f": {each.detail}" if each.detail else ""
            put(f"{each.step} {each.entry}{fields}")
    counts = Counter(each.step for each in applied)
    told = ", ".join(f"{step} {counts[step]}" for step in ApplyStep)
    put(f"{told}; nothing was written" if tried else told)


def _document(applied: Sequence[AppliedEntry]) -> Document:
    counts = Counter(each.step for each in applied)
    return {
        **{str(step): counts[step] for step in ApplyStep},
        "definitions": [
            {
                "noun": each.entry.noun,
                "id": each.entry.id,
                "name": each.entry.name,
                "step": each.step,
                "detail": each.detail,
            }
            for each in applied
        ],
    }
