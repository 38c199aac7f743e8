"""`keyrelay profile`: the tenants of an installation, which share nothing."""

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from keyrelay.cli.options import AsJson
from keyrelay.cli.output import Document, put, put_document, put_json, show_table
from keyrelay.cli.session import Session, perform
from keyrelay.services.naming import find_profile
from keyrelay.stores.installation import (
    Profile,
    create_profile,
    list_profiles,
    rename_profile,
)

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Tenants, which share nothing."
)

NewName = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay profile list
  keyrelay profile list --json""",
)
def list_(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List the profiles by name, with the ids that triggers name them by."""

    async def work(session: Session) -> None:
        found = await list_profiles(session.store.database)
        if as_json:
            await put_json(_documents(found))
        else:
            show_table([_document(each) for each in found], ("id", "name"))

    perform(ctx, work)


@app.command(epilog="Example: keyrelay profile create north")
def create(ctx: typer.Context, name: NewName, *, as_json: AsJson = False) -> None:
    """Make a profile, and print its id."""

    async def work(session: Session) -> Profile:
        return await create_profile(session.store.audit_log, name, session.actor)

    _answer(perform(ctx, work), as_json=as_json)


@app.command(
    epilog="""\b
Example:
  keyrelay profile rename north northern-harbours

Its id and all that is its own stay. Settings and queue URLs that name it
(KEYRELAY_PROFILE, &profile=) are to be changed, too."""
)
def rename(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="Its name now, or its id.")
    ],
    name: NewName,
    *,
    as_json: AsJson = False,
) -> None:
    """Give a profile another name, and print its id."""

    async def work(session: Session) -> Profile:
        log, by = session.store.audit_log, session.actor
        found = await find_profile(log.database, profile)
        return await rename_profile(log, found, name, by)

    _answer(perform(ctx, work), as_json=as_json)


async def _documents(profiles: tuple[Profile, ...]) -> AsyncIterator[Document]:
    for profile in profiles:
        yield _document(profile)


def _document(profile: Profile) -> Document:
    return {"id": profile.id, "name": profile.name}


def _answer(profile: Profile, *, as_json: bool) -> None:
    if as_json:
        put_document(_document(profile))
    else:
        put(profile.id)
