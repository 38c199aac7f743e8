"""`keyrelay action`: what a trigger can ask for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from keyrelay.app.channels import action_rules
from keyrelay.app.store import read_catalog
from keyrelay.cli.columns import actions, instant, own_id, text, word
from keyrelay.cli.documents import Active, Documents, WholeFile, changes_of
from keyrelay.cli.exits import ExitCode
from keyrelay.cli.input import read_document
from keyrelay.cli.options import AsJson, File, Limit, NameFilter, TagFilter
from keyrelay.cli.output import Document
from keyrelay.cli.output import show as show_one
from keyrelay.cli.pagination import list_all
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import Session, perform, settings_of
from keyrelay.cli.type_view import show_types
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.instant import wire_date
from keyrelay.model.trigger import Origin
from keyrelay.services.definition_entries import ABSENT
from keyrelay.services.explaining import NotInCatalog
from keyrelay.services.naming import find_definition
from keyrelay.services.previewing import Previewing, sample_trigger, trigger_for
from keyrelay.services.remarks import on_stored_action
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.stored_document import StoredDocument, id_of
from keyrelay.stores.last_times import LastTimes

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What triggers can ask for."
)

Name = Annotated[str, typer.Argument(metavar="ACTION", help="Its id or its name.")]


async def _remarks(session: Session, stored: StoredDocument) -> Sequence[str]:
    store, profile = session.store, session.profile.id
    rules = store.definitions.secrets.actions
    return await on_stored_action(rules, lambda: read_catalog(store), profile, stored)


async def _last_times(
    session: Session, ids: Sequence[str]
) -> Mapping[str, Mapping[str, object]]:
    times = LastTimes(database=session.store.database)
    last = await times.read(session.profile.id, Noun.ACTION, ids)
    return {id_: {"last_triggered": wire_date(last.get(id_))} for id_ in ids}


_actions = Documents(
    store=lambda session: session.store.definitions.actions,
    absent=ABSENT[Noun.ACTION],
    unique=True,
    remarks=_remarks,
    beside=_last_times,
)


@app.command(
    epilog="""\b
Example, with the document on standard input:
  keyrelay action create --file - <<'JSON'
  {"name": "too warm", "tags": [{"key": "team", "value": "north"}],
   "action": {"type": "email-smtp", "smtp_secret": "6745d1…",
              "from": "alerts@example.com", "to": "ada@example.com",
              "subject": "$DEVICE.NAME$: $VALUE$ $UNIT$", "message": "Since $TIME$."}}
  JSON

`smtp_secret` and `sqs_secret` are ids; `keyrelay secret list` shows them. An action of
type `script` names analyses: {"type": "script", "script": ["6745d1…"]}."""
)
def create(ctx: typer.Context, *, file: WholeFile, as_json: AsJson = False) -> None:
    """Store a new action, and print its id."""
    with _saying_where_ids_are():
        _actions.create(ctx, file, as_json=as_json)


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay action list --name '*warm*'
  keyrelay action list --tag team=north --json""",
)
def list_(
    ctx: typer.Context,
    *,
    name: NameFilter = None,
    tag: TagFilter = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the actions of the profile by name."""
    columns = (
        own_id(actions),
        text("name"),
        word("active"),
        word("lock"),
        text("tags"),
        instant("updated_at"),
    )
    list_all(ctx, _actions.rows(name, tag), columns, limit, as_json=as_json)


@app.command(epilog="Example: keyrelay action show 'too warm' --json")
def show(ctx: typer.Context, *, action: Name, as_json: AsJson = False) -> None:
    """Show an action as it was sent."""
    _actions.show(ctx, action, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay action edit 'too warm' --lock
  keyrelay action edit 'too warm' --file changes.json

Fields that are given replace those that are there, each as a whole."""
)
def edit(
    ctx: typer.Context,
    *,
    action: Name,
    file: File = None,
    active: Active = None,
    lock: Annotated[
        bool | None,
        typer.Option("--lock/--unlock", help="A locked action does not act."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replace some fields of an action."""
    changes = changes_of(file, {"active": active, "lock": lock})
    with _saying_where_ids_are():
        _actions.edit(ctx, action, changes, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay action preview 'too warm'
  keyrelay action preview 'too warm' --data trigger.json --json

The exit code is 0 if the message would be handed to its server, and 1 if not."""
)
def preview(
    ctx: typer.Context,
    *,
    action: Name,
    data: Annotated[
        str | None,
        typer.Option(
            help="A trigger as JSON, or - for standard input; else a sample.",
            metavar="F",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what an action would send for a trigger; nothing is opened or sent."""
    given = None if data is None else read_document(data)
    shown = perform(ctx, lambda session: _preview(session, action, given))
    show_one(shown, as_json=as_json)
    if shown["refusals"]:
        raise typer.Exit(ExitCode.REFUSED)


@app.command(epilog="Example: keyrelay action delete 'too warm'")
def delete(ctx: typer.Context, *, action: Name, as_json: AsJson = False) -> None:
    """Delete an action; triggers that name it become dead letters."""
    _actions.delete(ctx, action, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay action types
  keyrelay action types --json     a JSON Schema of each type's `action`"""
)
def types(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the ways to act, and what is written for each beside its `type`."""
    known = action_rules(settings_of(ctx)).types.values()
    fields = {type_.name: type_.fields for type_ in known}
    show_types(fields, as_json=as_json)


async def _preview(session: Session, action: str, given: Document | None) -> Document:
    store, profile, world = session.store, session.profile.id, session.world
    stored = store.definitions.actions
    id_ = id_of(await find_definition(stored, profile, action))
    origin = Origin(profile=profile, now=world.now, new_id=world.new_id)
    previewing = Previewing(
        catalog=lambda: read_catalog(store),
        types=store.definitions.secrets.actions.types,
        now=world.now,
    )
    if given is None:
        trigger = sample_trigger(profile, id_, world.now())
    else:
        trigger = trigger_for(id_, given, origin)
    try:
        return await previewing.preview(trigger)
    except NotInCatalog as fault:
        where = "`keyrelay key status --check` says why"
        raise Refused(f"{fault}; {where}") from None


@contextmanager
def _saying_where_ids_are() -> Iterator[None]:
    try:
        yield
    except InvalidDefinition as fault:
        for noun in ("secret", "analysis"):
            if noun in str(fault):
                where = f"`keyrelay {noun} list` shows the ids"
                raise InvalidDefinition(f"{fault}; {where}") from None
        raise
