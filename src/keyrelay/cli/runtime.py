"""`keyrelay runtime`: what scripts of analyses can run with on this machine."""

from typing import Annotated

import typer

from keyrelay.app.runtimes import RuntimeFound, prepare_runtime, runtimes_found
from keyrelay.cli.input import read_text
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put, put_document, say, show_table
from keyrelay.cli.progress import is_progress_seen, progress
from keyrelay.cli.session import run, settings_of
from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.model.audit_document import printable
from keyrelay.services.runtimes.prepared import PreparedRuntime, packages_document
from keyrelay.services.runtimes.wanted import wanted_packages

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Interpreters of scripts, and the wall around them.",
)

Wanted = Annotated[
    list[str] | None,
    typer.Option(
        "--package", help="A package beside the SDK.", metavar="NAME[==VERSION]"
    ),
]
Requirements = Annotated[
    str | None,
    typer.Option(
        help="For python: a file of names, versions and hashes, or -.", metavar="F"
    ),
]
Prepared = Annotated[Language, typer.Argument(help="What scripts are written in.")]

_COLUMNS = ("language", "interpreter", "from", "wall", "prepared", "packages")
_LONGEST_WORDS = 70


@app.callback()
def runtime() -> None:
    """Interpreters of scripts, and the wall around them."""


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay runtime list
  keyrelay runtime list --json      with the digests of packages""",
)
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List interpreters, what was prepared for them, and whether a sandbox is made."""
    found = runtimes_found(settings_of(ctx))
    if as_json:
        put_document({"runtimes": [_document(each) for each in found]})
        return
    show_table([_row(each) for each in found], _COLUMNS)
    for each in found:
        for sentence in (each.refusal, each.remark):
            if sentence is not None:
                say(f"{each.language}: {sentence}")


@app.command(
    epilog="""\b
Examples:
  keyrelay runtime prepare python
  keyrelay runtime prepare python --package numpy==2.3.1 --package requests
  keyrelay runtime prepare python --requirements requirements.txt
  keyrelay runtime prepare node --package luxon==3.5.0

Name all packages each time: those of before are not kept. TagoIO's SDK is always among
them, in its newest version unless you name one. Packages are fetched in the sandbox,
with nothing of Keyrelay's environment but HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE,
PIP_CERT, NODE_EXTRA_CA_CERTS, PIP_INDEX_URL, NPM_CONFIG_REGISTRY and the like. Only
wheels are taken, no package's own script is run, and no run ever installs anything.
The next run of a script uses what was prepared; a worker that was started before
anything was prepared has to be started anew."""
)
def prepare(
    ctx: typer.Context,
    *,
    language: Prepared,
    packages: Wanted = None,
    requirements: Requirements = None,
    as_json: AsJson = False,
) -> None:
    """Fetch what scripts import: TagoIO's SDK and packages of your choice."""
    settings = settings_of(ctx)
    text = None if requirements is None else read_text(requirements)
    wanted = wanted_packages(language, packages or [], text)
    lines = ["starting"]

    async def work() -> tuple[PreparedRuntime, bool]:
        words = lambda: printable(lines[-1], _LONGEST_WORDS)  # noqa: E731 - short
        async with progress(words, shown=is_progress_seen(answers=False)):
            return await prepare_runtime(settings, language, wanted, lines.append)

    prepared, changed = run(work())
    if as_json:
        put_document({**_prepared(language, prepared), "changed": changed})
        return
    for each in prepared.contents.packages:
        put(f"{each.name} {each.version}")
    say("prepared" if changed else "already prepared: nothing has changed")


def _document(found: RuntimeFound) -> Document:
    prepared = found.prepared
    return {
        "language": found.language,
        "interpreter": found.interpreter,
        "from": None if found.interpreter is None else found.origin,
        "wall": found.wall,
        "refusal": found.refusal,
        "prepared": None if prepared is None else _prepared(found.language, prepared),
        "remark": found.remark,
    }


def _row(found: RuntimeFound) -> Document:
    prepared = found.prepared
    named = [] if prepared is None else prepared.contents.packages
    return {
        **_document(found),
        "prepared": None if prepared is None else prepared.prepared_at,
        "packages": ", ".join(f"{each.name} {each.version}" for each in named),
    }


def _prepared(language: Language, prepared: PreparedRuntime) -> Document:
    return {
        "folder": str(prepared.folder),
        "prepared_at": prepared.prepared_at,
        "interpreter": prepared.contents.interpreter,
        "packages": packages_document(language, prepared.contents.packages),
    }
