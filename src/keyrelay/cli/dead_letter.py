"""`keyrelay dead-letter`: what could not be delivered, and what becomes of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from keyrelay.cli.input import confirm
from keyrelay.cli.letters import Chosen, Filters, whole_document_of
from keyrelay.cli.options import ActionFilter, AsJson, Limit, Since
from keyrelay.cli.output import put_id, say, show
from keyrelay.cli.pages import list_all
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import Session, perform
from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.outcome import Fault
from keyrelay.ports import TriggerQueue
from keyrelay.stores.refusals import EditedMeanwhile, NotFound

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What could not be delivered."
)

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of triggers.")
]
All = Annotated[bool, typer.Option("--all", help="All that the filters let through.")]
FaultFilter = Annotated[
    Fault | None, typer.Option("--fault", help="Only where this is at fault.")
]


@app.command(
    "list",
    epilog="""\b
Examples:
  keyrelay dead-letter list --since 1d
  keyrelay dead-letter list --fault definition --json""",
)
def list_(
    ctx: typer.Context,
    *,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters of the profile, newest first."""
    filters = Filters(action=action, fault=fault, since=since)
    list_all(ctx, filters.pages, limit, as_json=as_json)


@app.command("show", epilog="Example: keyrelay dead-letter show door-17-0001")
def show_(
    ctx: typer.Context,
    *,
    trigger: Annotated[str, typer.Argument(metavar="ID", help="The trigger's id.")],
    as_json: AsJson = False,
) -> None:
    """Show a dead letter with the trigger that is in it."""
    letter = perform(
        ctx,
        lambda session: session.store.dead_letters.get(session.profile.id, trigger),
    )
    show(whole_document_of(letter), as_json=as_json)


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
    ids: Ids = None,
    everything: All = False,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Put triggers into the queue again, and print the id of each that is."""
    filters = Filters(action=action, fault=fault, since=since)
    chosen = Chosen(ids=ids or (), all=everything, filters=filters)

    async def work(session: Session) -> list[str]:
        async with session.queue() as queue:

            async def once_more(letter: DeadLetter) -> None:
                # In the queue before it is forgotten here: a crash between the two
                # leaves a letter too many, never one too few.
                if not await queue.redrive(letter):
                    await _require_settled(queue, letter)
                await session.store.dead_letters.redriven(letter, session.actor)

            act = _Acting(act=once_more, as_json=as_json)
            return await act.on(session, await chosen.read(session))

    _finish(perform(ctx, work))


@app.command(
    epilog="""\b
Examples:
  keyrelay dead-letter drop door-17-0001
  keyrelay dead-letter drop --all --since 7d --yes"""
)
def drop(
    ctx: typer.Context,
    *,
    ids: Ids = None,
    everything: All = False,
    action: ActionFilter = None,
    fault: FaultFilter = None,
    since: Since = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget dead letters for good, and print the id of each that is gone."""
    filters = Filters(action=action, fault=fault, since=since)
    chosen = Chosen(ids=ids or (), all=everything, filters=filters)
    found = perform(ctx, chosen.read)
    if found and not yes:
        confirm(f"Forget {len(found)} for good?")

    async def work(session: Session) -> list[str]:
        async def forget(letter: DeadLetter) -> None:
            await session.store.dead_letters.drop(letter, session.actor)

        return await _Acting(act=forget, as_json=as_json).on(session, found)

    _finish(perform(ctx, work))


async def _require_settled(queue: TriggerQueue, letter: DeadLetter) -> None:
    """Raise EditedMeanwhile if the letter may be all that is left of its trigger."""
    trigger = letter.trigger
    known = await queue.status(trigger.profile, trigger.id)
    # Its lease may be about to bury it: its letter is kept first, and this is it.
    if known is not None and known.state in (TriggerState.LEASED, TriggerState.BURIED):
        raise EditedMeanwhile(f"trigger {trigger.id} is being attempted: look again")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Acting:
    act: Callable[[DeadLetter], Awaitable[None]]
    as_json: bool

    async def on(self, session: Session, ids: list[str]) -> list[str]:
        """Print the id of each letter acted on; return why others were not."""
        refusals = []
        for id_ in ids:
            letters = session.store.dead_letters
            try:
                await self.act(await letters.get(session.profile.id, id_))
            except (NotFound, EditedMeanwhile) as refusal:
                refusals.append(str(refusal))
                continue
            put_id(id_, as_json=self.as_json)
        return refusals


def _finish(refusals: list[str]) -> None:
    for refusal in refusals[:-1]:
        say(f"keyrelay: {refusal}")
    if refusals:
        raise Refused(refusals[-1])
