"""Trigger acts: triggers held, released, cancelled and hurried by a person."""

from collections.abc import AsyncIterator, Sequence

import typer

from keyrelay.cli.input import confirm
from keyrelay.cli.options import ActionFilter, All, AsJson, TriggerIds, Yes
from keyrelay.cli.output import say
from keyrelay.cli.results import refuse_any, tell
from keyrelay.cli.session import Session, perform
from keyrelay.cli.trigger_view import (
    QueueFilter,
    ReasonFilter,
    SecretFilter,
    State,
    TriggerChoice,
    intervening,
)
from keyrelay.model.intervention import Act
from keyrelay.services.intervening import TriggerResult

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger hold door-17-0001
  keyrelay trigger hold --all --action 'too warm'

What is held is not attempted, however long, until it is released. With
KEYRELAY_ORDERING=key it holds back those of its key that come after it."""
)
def hold(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    action: ActionFilter = None,
    secret: SecretFilter = None,
    reason: ReasonFilter = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Keep triggers from being attempted, and print the id of each."""
    filter_ = QueueFilter(action=action, secret=secret, reason=reason)
    choice = TriggerChoice(ids=ids or (), all=everything, filter=filter_)
    _intervene(ctx, Act.HOLD, choice, yes=yes, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger release door-17-0001
  keyrelay trigger release --all --yes

What is released is due at once. If its deadline has passed, it becomes a dead letter;
`keyrelay dead-letter redrive` gives it a new one."""
)
def release(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    action: ActionFilter = None,
    secret: SecretFilter = None,
    reason: ReasonFilter = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let triggers that are held be attempted, and print the id of each."""
    filter_ = QueueFilter(action=action, secret=secret, reason=reason)
    choice = TriggerChoice(ids=ids or (), all=everything, filter=filter_)
    _intervene(ctx, Act.RELEASE, choice, yes=yes, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger cancel door-17-0001
  keyrelay trigger cancel --all --action 'too warm' --yes

What is cancelled is never attempted again, and cannot be redriven; the audit trail says
who cancelled it. What is being attempted is not cancelled any more: exit code 1."""
)
def cancel(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    state: State = None,
    action: ActionFilter = None,
    secret: SecretFilter = None,
    reason: ReasonFilter = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End triggers without another attempt, and print the id of each."""
    filter_ = QueueFilter(state=state, action=action, secret=secret, reason=reason)
    choice = TriggerChoice(ids=ids or (), all=everything, filter=filter_)
    _intervene(ctx, Act.CANCEL, choice, yes=yes, as_json=as_json)


@app.command(
    epilog="""\b
Examples:
  keyrelay trigger retry door-17-0001
  keyrelay trigger retry --all --secret mail --yes

The wait before the next attempt ends now; nothing is spent by that."""
)
def retry(
    ctx: typer.Context,
    *,
    ids: TriggerIds = None,
    everything: All = False,
    action: ActionFilter = None,
    secret: SecretFilter = None,
    reason: ReasonFilter = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make triggers that wait due now, and print the id of each."""
    filter_ = QueueFilter(action=action, secret=secret, reason=reason)
    choice = TriggerChoice(ids=ids or (), all=everything, filter=filter_)
    _intervene(ctx, Act.RETRY, choice, yes=yes, as_json=as_json)


def _intervene(
    ctx: typer.Context, act: Act, choice: TriggerChoice, *, yes: bool, as_json: bool
) -> None:
    async def choose(session: Session) -> Sequence[str]:
        async with session.queue() as queue:
            return await choice.read(session, queue, act)

    agreed: Sequence[str] | None = None
    if choice.all and not yes:
        agreed = perform(ctx, choose)
        if agreed:
            confirm(f"{act.capitalize()} {len(agreed)}?")

    async def work(session: Session) -> Sequence[str]:
        async with session.queue() as queue:
            chosen = agreed
            if chosen is None:
                chosen = await choice.read(session, queue, act)
            results = intervening(session, queue).intervene(
                act, session.profile.id, chosen, session.actor
            )
            return await tell(_remarked(results), len(chosen), as_json=as_json)

    refuse_any(perform(ctx, work))


async def _remarked(
    results: AsyncIterator[TriggerResult],
) -> AsyncIterator[TriggerResult]:
    async for result in results:
        if result.remark is not None:
            say(f"keyrelay: {result.remark}")
        yield result
