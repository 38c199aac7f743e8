"""`keyrelay analysis`: scripts that are given an environment of secrets."""

from pathlib import Path
from typing import Annotated

import typer

from keyrelay.cli import analysis_runs
from keyrelay.cli.analysis_logs import EXAMPLES, logs
from keyrelay.cli.analysis_view import ANALYSES
from keyrelay.cli.columns import analyses, instant, own_id, text, word
from keyrelay.cli.documents import Active, WholeFile, changes_of
from keyrelay.cli.input import read_bytes
from keyrelay.cli.options import AsJson, File, Limit, NameFilter, TagFilter
from keyrelay.cli.output import put, put_bytes, put_document, write_file
from keyrelay.cli.pagination import list_all
from keyrelay.cli.session import Session, perform
from keyrelay.model.uploaded_script import (
    LARGEST_SCRIPT,
    Runtime,
    ScriptDraft,
    parse_runtime,
    require_file_name,
    require_script_size,
)
from keyrelay.services.naming import find_definition
from keyrelay.stores.definitions.stored_document import AnyStored, StoredDocument, id_of

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Scripts that are given an environment of secrets.",
)
app.add_typer(analysis_runs.app)

Script = Annotated[
    Path, typer.Argument(metavar="SCRIPT", help="One file, a .tar.gz or a .zip.")
]
Language = Annotated[
    Runtime | None,
    typer.Option(help="What it is written for, if not what the analysis is."),
]
Name = Annotated[str, typer.Argument(metavar="ANALYSIS", help="Its id or its name.")]


@app.command(
    epilog="""\b
Example, with the document on standard input:
  keyrelay analysis create --file - <<'JSON'
  {"name": "cold rooms", "runtime": "python-rt2025",
   "tags": [{"key": "team", "value": "north"}],
   "variables": [{"key": "limit", "value": 8}]}
  JSON

Variables are not secrets: tokens that may write read them. A secret is released to an
analysis by a policy, under the secret's own key."""
)
def create(ctx: typer.Context, *, file: WholeFile, as_json: AsJson = False) -> None:
    """Store a new analysis, and print its id."""
    ANALYSES.create(ctx, file, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay analysis upload 'cold rooms' main.py
  keyrelay analysis upload 'cold rooms' bundle.tar.gz --language python-rt2025"""
)
def upload(
    ctx: typer.Context,
    *,
    analysis: Name,
    script: Script,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Upload a script as the next version, which runs from now on; print its number."""
    content = _read_script(script)

    async def work(session: Session) -> int:
        store, profile = session.store.definitions.analyses, session.profile.id
        found = await find_definition(store.documents, profile, analysis)
        draft = ScriptDraft(
            file_name=script.name,
            language=language or _runtime_of(found),
            content=content,
        )
        version = await store.upload(profile, id_of(found), draft, session.actor)
        return version.number

    number = perform(ctx, work)
    if as_json:
        put_document({"version": number})
    else:
        put(str(number))


@app.command(
    epilog="""\b
Examples:
  keyrelay analysis download 'cold rooms' > main.py
  keyrelay analysis download 'cold rooms' --version 2 --file main.py"""
)
def download(
    ctx: typer.Context,
    *,
    analysis: Name,
    version: Annotated[
        int | None, typer.Option(min=1, help="Which; else the one that runs.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Where to; standard output.", metavar="F")
    ] = None,
) -> None:
    """Write a script as it was uploaded."""

    async def work(session: Session) -> bytes:
        store, profile = session.store.definitions.analyses, session.profile.id
        found = await find_definition(store.documents, profile, analysis)
        _, content = await store.script(profile, id_of(found), version)
        return content

    content = perform(ctx, work)
    if file is None:
        put_bytes(content)
    else:
        write_file(file, content)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay analysis list --name 'cold*'
  keyrelay analysis list --tag team=north --json""",
)
def list_(
    ctx: typer.Context,
    *,
    name: NameFilter = None,
    tag: TagFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the analyses of the profile by name."""
    columns = (
        own_id(analyses),
        text("name"),
        word("active"),
        word("run_on"),
        word("version"),
        text("tags"),
        instant("last_run"),
    )
    list_all(ctx, ANALYSES.rows(name, tag), columns, limit, as_json=as_json)


@app.command(epilog="Example: keyrelay analysis show 'cold rooms' --json")
def show(ctx: typer.Context, *, analysis: Name, as_json: AsJson = False) -> None:
    """Show an analysis, its variables and the versions of its script."""
    ANALYSES.show(ctx, analysis, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay analysis edit 'cold rooms' --inactive
  keyrelay analysis edit 'cold rooms' --file changes.json

Fields that are given replace those that are there, each as a whole."""
)
def edit(
    ctx: typer.Context,
    *,
    analysis: Name,
    file: File = None,
    active: Active = None,
    as_json: AsJson = False,
) -> None:
    """Replace some fields of an analysis."""
    changes = changes_of(file, {"active": active})
    ANALYSES.edit(ctx, analysis, changes, as_json=as_json)


@app.command(epilog="Example: keyrelay analysis token 'cold rooms'")
def token(ctx: typer.Context, *, analysis: Name, as_json: AsJson = False) -> None:
    """Show an analysis' token, by which its script runs elsewhere; it is recorded."""

    async def work(session: Session) -> str:
        store, profile = session.store.definitions.analyses, session.profile.id
        found = await find_definition(store.documents, profile, analysis)
        shown = await store.token(profile, id_of(found), session.actor)
        return shown.reveal()

    shown = perform(ctx, work)
    if as_json:
        put_document({"token": shown})
    else:
        put(shown)


app.command(epilog=EXAMPLES)(logs)


@app.command(epilog="Example: keyrelay analysis delete 'cold rooms'")
def delete(ctx: typer.Context, *, analysis: Name, as_json: AsJson = False) -> None:
    """Delete an analysis and all versions of its script."""
    ANALYSES.delete(ctx, analysis, as_json=as_json)


def _read_script(script: Path) -> bytes:
    require_file_name(script.name)
    content = read_bytes(str(script), largest=LARGEST_SCRIPT)
    require_script_size(len(content))
    return content


def _runtime_of(found: AnyStored) -> Runtime:
    document = found.document if isinstance(found, StoredDocument) else {}
    return parse_runtime(document.get("runtime"), "runtime")
