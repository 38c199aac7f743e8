"""`keyrelay secret`: sealed values that are replaced but never read back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import typer

from keyrelay.app.channels import secret_rules
from keyrelay.cli.columns import SECRET
from keyrelay.cli.input import ask_value, parse_tag_options, read_document, read_value
from keyrelay.cli.options import AsJson, File, Limit, NameFilter, TagFilter
from keyrelay.cli.output import Document, put, put_document, put_id, show
from keyrelay.cli.pagination import list_all
from keyrelay.cli.refusals import WrongUsage
from keyrelay.cli.secret_uses import uses
from keyrelay.cli.secret_view import (
    StandingPauses,
    paused_fields,
    show_with_pauses,
    standing_pauses,
)
from keyrelay.cli.session import Session, perform, settings_of
from keyrelay.cli.type_view import show_types
from keyrelay.cli.unreadable_view import unreadable_document, unreadable_line
from keyrelay.model.credentials import TEXT
from keyrelay.model.secret import SealedSecret, SecretType
from keyrelay.model.tags import tags_document
from keyrelay.services.naming import find_secret
from keyrelay.services.paging import read_pages
from keyrelay.services.secret_documents import secret_document
from keyrelay.stores.definitions.listing import Listing, Page
from keyrelay.stores.definitions.secrets import StoredSecret, id_of, readable
from keyrelay.stores.unreadable import UnreadableRow

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Secrets, without their values."
)

Name = Annotated[str, typer.Argument(metavar="SECRET", help="Its id or its key.")]
ValueFile = Annotated[
    str | None,
    typer.Option(help="File with the value, or - for standard input.", metavar="F"),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", help="Keep a line end at the end of --value-file."),
]


@app.command(
    epilog="""\b
Examples:
  keyrelay secret create --key office-mail --type smtp --tag team=north
  pass show token | keyrelay secret create --key token --tag team=north --value-file -
  keyrelay secret create --file secret.json
  keyrelay secret create --file shown.json --value-file value.json

Without --value-file or --file the value is asked for. It is never an argument:
process lists show those."""
)
def create(
    ctx: typer.Context,
    *,
    key: Annotated[
        str | None, typer.Option(help="What scripts and people call it; never changes.")
    ] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", help="What it is; left out, its value tells."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, repeatable.", metavar="K=V")
    ] = None,
    value_file: ValueFile = None,
    exact: Exact = False,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Seal a new secret, and print its id."""
    if file is not None:
        if key or type_ or tag:
            raise WrongUsage("--file holds all of a secret but its value: see --help")
        document = {**read_document(file)}
        if value_file is not None:
            document["value"] = read_value(value_file, exact=exact)
    else:
        if key is None:
            raise WrongUsage("give --key and --tag, or a whole secret with --file")
        document = {"key": key, "tags": tags_document(parse_tag_options(tag or ()))}
        if type_ is not None:
            document |= {"type": type_}
        kind = secret_rules(settings_of(ctx)).type_called(type_ or TEXT.name)
        document |= {"value": _value(kind, value_file, exact=exact)}

    async def work(session: Session) -> SealedSecret:
        secrets = session.store.definitions.secrets
        return await secrets.create(session.profile.id, document, session.actor)

    _answer(perform(ctx, work), as_json=as_json)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay secret list --name 'office-*'
  keyrelay secret list --tag team=north --json""",
)
def list_(
    ctx: typer.Context,
    *,
    name: NameFilter = None,
    tag: TagFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the secrets of the profile by key."""
    tags = parse_tag_options(tag or ())

    async def rows(session: Session, limit: int | None) -> AsyncIterator[Document]:
        async def fetch(page: int, amount: int) -> Sequence[StoredSecret]:
            listing = Listing(page=Page(page, amount), name=name, tags=tags)
            secrets = session.store.definitions.secrets
            return await secrets.list(session.profile.id, listing)

        standing = await standing_pauses(session)
        async for stored in read_pages(fetch, id_of, limit):
            match stored:
                case UnreadableRow():
                    yield unreadable_line(stored, "key")
                case SealedSecret():
                    yield secret_document(stored) | paused_fields(
                        standing, stored.secret.id
                    )

    list_all(ctx, rows, SECRET, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay secret show office-mail")
def show_(ctx: typer.Context, *, secret: Name, as_json: AsJson = False) -> None:
    """Show what is known of a secret, and why it is paused; its value is not shown."""

    async def work(session: Session) -> tuple[StoredSecret, StandingPauses]:
        return await _find(session, secret), await standing_pauses(session)

    match perform(ctx, work):
        case UnreadableRow() as row, _:
            show(unreadable_document(row), as_json=as_json)
        case SealedSecret() as sealed, standing:
            paused = paused_fields(standing, sealed.secret.id)
            show_with_pauses(secret_document(sealed) | paused, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay secret edit office-mail --ask
  keyrelay secret edit office-mail --value-file new.json
  keyrelay secret edit office-mail --tag team=north --tag site=harbour

What waits for a secret whose credentials were refused goes on by itself."""
)
def edit(
    ctx: typer.Context,
    *,
    secret: Name,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask for a new value at the terminal.")
    ] = False,
    value_file: ValueFile = None,
    exact: Exact = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE, repeatable; replaces all tags.", metavar="K=V"),
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Replace a secret's value, its tags or both, as a new version."""
    if sum((ask, value_file is not None, file is not None)) > 1 or (file and tag):
        raise WrongUsage("give one of --ask, --value-file and --file; --file alone")
    known = readable(perform(ctx, lambda session: _find(session, secret))).secret
    changes = dict(read_document(file)) if file is not None else {}
    if tag:
        changes["tags"] = tags_document(parse_tag_options(tag))
    if ask or value_file is not None:
        kind = secret_rules(settings_of(ctx)).type_called(known.type)
        changes["value"] = _value(kind, value_file, exact=exact)
    elif exact:
        raise WrongUsage("--exact is about a value from --value-file")

    async def work(session: Session) -> SealedSecret:
        secrets, profile = session.store.definitions.secrets, session.profile.id
        return await secrets.edit(profile, known.id, changes, session.actor)

    _answer(perform(ctx, work), as_json=as_json)


@app.command(epilog="Example: keyrelay secret delete office-mail")
def delete(ctx: typer.Context, *, secret: Name, as_json: AsJson = False) -> None:
    """Delete a secret that no action refers to, and print its id."""

    async def work(session: Session) -> str:
        id_ = id_of(await _find(session, secret))
        secrets = session.store.definitions.secrets
        await secrets.delete(session.profile.id, id_, session.actor)
        return id_

    put_id(perform(ctx, work), as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay secret types
  keyrelay secret types --json     a JSON Schema of each type's value

A secret of type `text` is one text, and has no fields."""
)
def types(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the types of secrets, and what the value of each holds."""
    known = secret_rules(settings_of(ctx)).types.values()
    fields = {type_.name: type_.fields for type_ in known if type_.fields}
    show_types(fields, as_json=as_json)


app.command(epilog="Example: keyrelay secret uses office-mail --json")(uses)


async def _find(session: Session, name: str) -> StoredSecret:
    secrets = session.store.definitions.secrets
    return await find_secret(secrets, session.profile.id, name)


def _value(
    kind: SecretType, value_file: str | None, *, exact: bool
) -> str | Mapping[str, object]:
    if value_file is not None:
        return read_value(value_file, exact=exact)
    if exact:
        raise WrongUsage("--exact is about a value from --value-file")
    return ask_value(kind)


def _answer(sealed: SealedSecret, *, as_json: bool) -> None:
    if as_json:
        # A new version is paused by nothing yet.
        put_document(secret_document(sealed) | paused_fields({}, sealed.secret.id))
    else:
        put(sealed.secret.id)
