"""`keyrelay export`: all definitions of the profile in one document, without values."""

import json
from pathlib import Path
from typing import Annotated

import typer

from keyrelay.cli.output import put, say, write_file
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import Session, perform
from keyrelay.services.definition_entries import entries_document
from keyrelay.services.standing import DefinitionReading, Standing

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "export",
    epilog="""\b
Examples:
  keyrelay export > definitions.json
  keyrelay export --file definitions.json
  keyrelay --profile south apply --file definitions.json

Values of secrets are not among it, nor are tokens; variables of analyses and the script
that each runs are. What cannot be read is named on standard error, and the exit code
is 1.""",
)
def export_(
    ctx: typer.Context,
    *,
    file: Annotated[
        str | None, typer.Option(help="Where to; standard output.", metavar="F")
    ] = None,
) -> None:
    """Write all definitions, secrets without values, as one JSON document."""
    standing = perform(ctx, read_standing)
    readable = [each for each in standing.entries if each.id not in standing.unreadable]
    text = json.dumps(entries_document(readable), indent=2, ensure_ascii=False)
    if file is None or file == "-":
        put(text)
    else:
        write_file(Path(file), f"{text}\n".encode())
    for id_, reason in standing.unreadable.items():
        say(f"keyrelay: {standing.by_id[id_].noun} {id_} cannot be read: {reason}")
    if standing.unreadable:
        raise Refused("some definitions cannot be read; they are named above")


async def read_standing(session: Session) -> Standing:
    return await stores_of(session).read_whole(session.profile.id)


def stores_of(session: Session) -> DefinitionReading:
    kept = session.store.definitions
    return DefinitionReading(
        secrets=kept.secrets,
        analyses=kept.analyses,
        actions=kept.actions,
        policies=kept.policies,
    )
