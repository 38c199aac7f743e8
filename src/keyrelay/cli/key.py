"""`keyrelay key`: whether the vault opens, and whether its secrets do."""

from dataclasses import asdict
from typing import Annotated

import typer

from keyrelay.cli.exits import ExitCode
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import (
    Document,
    put,
    put_document,
    say,
    show_table,
)
from keyrelay.cli.session import Session, perform
from keyrelay.model.pause import PauseKind
from keyrelay.services.key_status import KeyInspection, KeyStatus, keys_document
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.integrity import Soundness

_WHY_PAUSED = {
    PauseKind.REFUSED: "the credential was refused",
    PauseKind.UNREACHABLE: "a worker cannot reach the peer",
}

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Whether the vault opens."
)


@app.callback()
def key() -> None:
    """Keys: whether the vault and its secrets open."""


@app.command(
    epilog="""\b
Examples:
  keyrelay key status
  keyrelay key status --check        opens every secret of every profile

The exit code is 0; 3 while the vault is sealed; 4 if a secret does not open."""
)
def status(
    ctx: typer.Context,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Open every secret of every profile.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the vault is open, and list its keys; no key is shown."""

    async def work(session: Session) -> tuple[KeyStatus, list[Document]]:
        store = session.store
        inspection = KeyInspection(guard=store.guard, pauses=store.pauses)
        found = await inspection.status(examine_secrets=check)
        return found, [*keys_document(found.keys, session.world.now())]

    found, keys = perform(ctx, work)
    if as_json:
        put_document(_document(found, keys))
    else:
        _tell(found, keys)
    if found.sealed is not None:
        raise typer.Exit(ExitCode.UNAVAILABLE)
    if found.examination is not None and found.examination.broken:
        raise typer.Exit(ExitCode.BROKEN)


def _document(found: KeyStatus, keys: list[Document]) -> Document:
    document: dict[str, object] = {
        "sealed": found.sealed is not None,
        "reason": found.sealed,
        "keys": keys,
        "paused": {kind: found.paused.get(kind, 0) for kind in PauseKind},
    }
    examined = found.examination
    if examined is None:
        return document
    broken = [asdict(each) for each in examined.broken]
    counts = {"definitions": examined.definitions, "examined": examined.secrets}
    return {**document, **counts, "broken": broken}


def _tell(found: KeyStatus, keys: list[Document]) -> None:
    put(found.sealed or "the vault is open")
    show_table(keys, ("id", "purpose", "wrapped_by", "created_at", "age_days"))
    _tell_paused(found)
    examined = found.examination
    if examined is None:
        return
    shut = sum(each.noun == Noun.SECRET for each in examined.broken)
    put(f"{examined.secrets - shut} of {examined.secrets} secrets open")
    broken = sum(each.id != "" for each in examined.broken)
    whole = examined.definitions - broken
    put(f"{whole} of {examined.definitions} definitions are as they were written")
    for each in examined.broken:
        say(f"keyrelay: {_which(each)} of profile {each.profile}: {each.flaw}")
    if examined.broken:
        say("keyrelay: `keyrelay definitions accept` takes them as they are, once seen")


def _tell_paused(found: KeyStatus) -> None:
    for kind, why in _WHY_PAUSED.items():
        if count := found.paused.get(kind, 0):
            are = "secret is" if count == 1 else "secrets are"
            put(f"{count} {are} paused, {why}: see `keyrelay secret list`")


def _which(each: Soundness) -> str:
    if not each.id:
        return "the index"
    called = f" ({each.key})" if each.key else ""  # of one that is gone, only its id
    return f"{each.noun} {each.id}{called}"
