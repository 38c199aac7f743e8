"""`keyrelay dead-letter`: what could not be delivered, and what becomes of it."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from keyrelay.cli.dead_letter_view import (
    COLUMNS,
    LetterChoice,
    LetterFilter,
    exported,
    find_letter,
)
from keyrelay.cli.input import confirm
from keyrelay.cli.options import (
    ActionFilter,
    All,
    AsJson,
    Limit,
    Since,
    TriggerIds,
    Yes,
)
from keyrelay.cli.output import show
from keyrelay.cli.pagination import list_all
from keyrelay.cli.results import refuse_any, tell
from keyrelay.cli.session import Session, perform
from keyrelay.model.outcome import Fault
from keyrelay.services.dead_letter_documents import whole_letter_document
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    Redriving,
)

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What could not be delivered."
)

Unreadable = Annotated[
    bool, typer.Option("--unreadable", help="Only those that cannot be read.")
]
Trigger = Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.")]
FaultFilter = Annotated[
    Fault | None, typer.Option("--fault", help="Only where this is at fault.")
]


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay dead-letter list --since 1d
  keyrelay dead-letter list --fault definition --json
  keyrelay dead-letter list --unreadable""",
)
def list_(
    ctx: typer.Context,
    *,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    unreadable: Unreadable = False,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters of the profile, newest first."""
    letters = LetterFilter(
        action=action, fault=fault, since=since, unreadable=unreadable
    )
    list_all(ctx, letters.rows, COLUMNS, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay dead-letter show door-17-0001")
def show_(
    ctx: typer.Context,
    *,
    trigger: Trigger,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter with the trigger that is in it."""
    letter = perform(ctx, lambda session: find_letter(session, trigger))
    show(whole_letter_document(letter), as_json=as_json)


@app.command(epilog="Example: keyrelay dead-letter export door-17-0001 > door.json")
def export(ctx: typer.Context, *, trigger: Trigger) -> None:
    """Write the bytes of a dead letter's trigger as they are stored."""
    letter = perform(ctx, lambda session: find_letter(session, trigger))
    sys.stdout.buffer.write(exported(letter))


@app.command(
    epilog="""\b
Examples:
  keyrelay dead-letter redrive door-17-0001
  keyrelay dead-letter redrive --all --fault definition

Parts that were settled before, such as recipients that have the mail, are left out."""
)
def redrive(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Put triggers into the queue again, and print the id of each."""
    filter_ = LetterFilter(action=action, fault=fault, since=since)
    choice = LetterChoice(ids=ids or (), all=everything, filter=filter_)

    async def work(session: Session) -> Sequence[str]:
        chosen = await choice.read(session)
        async with session.queue() as queue:
            service = Redriving(queue=queue, letters=session.store.dead_letters)
            results = service.redrive(session.profile.id, chosen, session.actor)
            return await tell(results, len(chosen), as_json=as_json)

    refuse_any(perform(ctx, work))


@app.command(
    epilog="""\b
Examples:
  keyrelay dead-letter drop door-17-0001
  keyrelay dead-letter drop --all --since 7d --yes"""
)
def drop(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Forget dead letters for good, and print the id of each."""
    filter_ = LetterFilter(action=action, fault=fault, since=since)
    choice = LetterChoice(ids=ids or (), all=everything, filter=filter_)
    chosen = perform(ctx, choice.read)
    if chosen and not yes:
        confirm(f"Forget {len(chosen)} for good?")

    async def work(session: Session) -> Sequence[str]:
        service = DeadLetterAdministration(letters=session.store.dead_letters)
        results = service.drop(session.profile.id, chosen, session.actor)
        return await tell(results, len(chosen), as_json=as_json)

    refuse_any(perform(ctx, work))
