"""Asking: the runs that actions of type `script` ask for, each kept as a row.

What becomes of a run is in its own record: the trigger is delivered once all of them
are kept.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.dispatchers.outcomes import combine
from keyrelay.model.action import Action, Message
from keyrelay.model.analysis import require_runnable
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Delivered, Fault, Outcome, ReasonClass, Rejected
from keyrelay.model.run import RunCause, RunOrder, run_id
from keyrelay.model.run_analyses import WantedRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAsking:
    """Asks for runs (ports.RunAsker). `keep` keeps them all, or raises Unavailable."""

    keep: Callable[[Sequence[RunOrder]], Awaitable[None]]
    now: Callable[[], datetime]

    async def ask(self, message: Message, action: Action, catalog: Catalog) -> Outcome:
        assert isinstance(message, WantedRuns)
        cause = message.cause(action.occasion.type, self.now())
        wanted = {
            each: _order(message, cause, catalog, each) for each in message.analyses
        }
        await self.keep([one for one in wanted.values() if isinstance(one, RunOrder)])
        return combine([(each, _outcome(one)) for each, one in wanted.items()])


def _order(
    message: WantedRuns, cause: RunCause, catalog: Catalog, analysis: str
) -> RunOrder | Rejected:
    trigger = message.trigger
    scripted = catalog.analyses.get((trigger.profile, analysis))
    if scripted is None:
        return _refused(catalog.absence("analysis", trigger.profile, analysis))
    try:
        require_runnable(scripted)
    except InvalidDefinition as fault:
        return _refused(str(fault))
    unique = f"{trigger.profile}/{trigger.id}"
    return RunOrder(
        id=run_id(unique, analysis, trigger.lifetime.raised_at),
        profile=trigger.profile,
        analysis=analysis,
        run_on=scripted.analysis.run_on,
        cause=cause,
        scope=message.scope,
    )


def _outcome(wanted: RunOrder | Rejected) -> Outcome:
    match wanted:
        case RunOrder(id=id_):
            return Delivered(f"run {id_} kept")
        case Rejected():
            return wanted


def _refused(reason: str) -> Rejected:
    return Rejected(reason, Fault.DEFINITION, why=ReasonClass.NO_DEFINITION)
