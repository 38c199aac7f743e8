"""`keyrelay key`: whether the vault opens, and everything in it."""

from dataclasses import dataclass
from typing import Annotated

import typer

from keyrelay.cli.exits import ExitCode
from keyrelay.cli.options import AsJson
from keyrelay.cli.output import (
    Document,
    date,
    put,
    put_document,
    say,
    show_table,
)
from keyrelay.cli.session import Session, perform
from keyrelay.ports import Unavailable
from keyrelay.stores.integrity import examine

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Whether the vault opens."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyStatus:
    """`broken` are the secrets that do not open; None, nobody looked."""

    sealed: str | None
    keys: list[Document]
    broken: list[Document] | None
    examined: int


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
    found = perform(ctx, lambda session: _look(session, check=check))
    if as_json:
        put_document(_document(found))
    else:
        _tell(found)
    if found.sealed is not None:
        raise typer.Exit(ExitCode.UNAVAILABLE)
    if found.broken:
        raise typer.Exit(ExitCode.BROKEN)


async def _look(session: Session, *, check: bool) -> _KeyStatus:
    store = session.store
    sealed: str | None = None
    try:
        await store.vault.check()
    except Unavailable as why:
        sealed = str(why)
    broken = list[Document]()
    examined = 0
    if check and sealed is None:
        async for secret in examine(store.database, store.vault):
            examined += 1
            if secret.flaw is not None:
                broken.append(
                    {
                        "profile": secret.profile,
                        "id": secret.id,
                        "key": secret.key,
                        "flaw": secret.flaw,
                    }
                )
    looked = check and sealed is None
    return _KeyStatus(
        sealed=sealed,
        keys=_keys(session),
        broken=broken if looked else None,
        examined=examined,
    )


def _keys(session: Session) -> list[Document]:
    now = session.store.audit_log.world.now()
    return [
        {
            "id": key.id,
            "purpose": key.purpose,
            "wrapped_by": key.provider_key,
            "created_at": date(key.created_at),
            "age_days": (now - key.created_at).days,
        }
        for key in session.store.vault.keyring.wrapped
    ]


def _document(found: _KeyStatus) -> Document:
    document: dict[str, object] = {
        "sealed": found.sealed is not None,
        "reason": found.sealed,
        "keys": found.keys,
    }
    if found.broken is None:
        return document
    return {**document, "examined": found.examined, "broken": found.broken}


def _tell(found: _KeyStatus) -> None:
    put(found.sealed or "the vault is open")
    show_table(found.keys, ("id", "purpose", "wrapped_by", "created_at", "age_days"))
    if found.broken is None:
        return
    put(f"{found.examined - len(found.broken)} of {found.examined} secrets open")
    for secret in found.broken:
        say(
            f"keyrelay: secret {secret['id']} ({secret['key']}) of profile"
            f" {secret['profile']}: {secret['flaw']}"
        )
