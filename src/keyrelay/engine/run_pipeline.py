"""The run pipeline: one attempt, run → analysis → policies → secrets → script."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeGuard

from keyrelay.engine.closing import closed_by, held_while
from keyrelay.engine.exhaustion import exhausted
from keyrelay.engine.releasing import Releasing
from keyrelay.model.analysis import Analysis, RunOn
from keyrelay.model.audit import Evidence, Report
from keyrelay.model.catalog import Catalog
from keyrelay.model.outcome import (
    LEASE_LOST,
    RUN_LOST,
    Blame,
    Deferred,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
)
from keyrelay.model.release import ReleasedRun, RunPlace
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunOrder
from keyrelay.model.settlement import Schedule
from keyrelay.ports import Lease, LeaveLane, RunStage

CHANNEL = "script"
# A script that ended badly is not run again by itself, but by the `retry` of the action
# that asked for it; one that was cut short, with the worker that ran it, is run once
# more.
RUNS = Schedule(attempts=2, first=timedelta(seconds=1), longest=timedelta(seconds=1))

# A run that a listener may have, and may not, is handed to the next one.
EXTERNAL_RUNS = Schedule(
    attempts=10, first=timedelta(seconds=1), longest=timedelta(seconds=30)
)

_USED = Evidence(channel=CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPipeline:
    """Attempts runs, which are lent as triggers of an analysis in place of an action.

    `catalog` is that of a Freshness; `order` returns what is to be run, and None if
    that cannot be read. `attempt` raises Unavailable while catalog, vault or audit do
    not answer; then nothing is run.
    """

    catalog: Callable[[Revision | None], Awaitable[Catalog]]
    order: Callable[[str, str], Awaitable[RunOrder | None]]
    releasing: Releasing
    stage: RunStage
    schedule: Schedule
    now: Callable[[], datetime]

    async def attempt(self, lease: Lease, _: LeaveLane) -> Report:
        """Run the analysis once, as the definitions stand now."""
        trigger = lease.trigger
        catalog = await self.catalog(trigger.lifetime.revision)
        if (closed := closed_by(catalog, trigger)) is not None:
            return held_while(closed)
        order = await self.order(trigger.profile, trigger.id)
        if order is None:
            return self._ended(
                Rejected("its row is not what was written", Fault.SYSTEM)
            )
        return await self._attempt(catalog, order, lease)

    async def _attempt(self, catalog: Catalog, order: RunOrder, lease: Lease) -> Report:
        scripted = catalog.analyses.get((order.profile, order.analysis))
        if scripted is None:
            absent = catalog.absence("analysis", order.profile, order.analysis)
            return self._ended(_refused(absent))
        retry = _retry_of(catalog, order, lease)
        refusal = self._refusal(scripted.analysis, order, lease, retry)
        if refusal is not None:
            return self._ended(refusal)

        place = await self.stage.place(order, scripted)
        if not isinstance(place, RunPlace):
            return Report(outcome=place, evidence=_USED, held=_is_held(place))
        environment = await self.releasing.release(
            catalog, scripted.analysis, order.id, place, order.cause.variables
        )
        run = ReleasedRun(order=order, scripted=scripted, environment=environment)
        outcome = await self.stage.perform(run, place, lease.still_held)
        if outcome in (LEASE_LOST, RUN_LOST):
            # On record it could contradict what the other worker does with the run.
            return Report(outcome=outcome, evidence=_USED, lost=True)
        if retry is not None and _is_tried_again(outcome, lease, retry):
            outcome = Deferred(outcome.reason, blame=Blame.SCRIPT)
            return Report(outcome=outcome, evidence=_USED, schedule=retry)
        return self._ended(outcome)

    def _ended(self, outcome: Outcome) -> Report:
        return Report(outcome=outcome, evidence=_USED, schedule=self.schedule)

    def _refusal(
        self,
        analysis: Analysis,
        order: RunOrder,
        lease: Lease,
        retry: Schedule | None,
    ) -> Rejected | Uncertain | None:
        if not analysis.active:
            return _refused(f"analysis {analysis.name!r} is inactive")
        if analysis.run_on is not order.run_on:
            return _refused(
                f"analysis {analysis.name!r} runs on `{analysis.run_on}` by now, and"
                f" this run was asked for on `{order.run_on}`: ask for another"
            )
        attempts = self.schedule.attempts
        if retry is not None:
            attempts = max(attempts, retry.attempts)
        return exhausted(lease, attempts, self.now())


def _retry_of(catalog: Catalog, order: RunOrder, lease: Lease) -> Schedule | None:
    """Return what the action that asked for the run asks for, as it stands now.

    One attempt that was cut short is made up for. None: nothing is asked for, or by
    that action no more; and how a script ended that runs elsewhere is not known.
    """
    action = catalog.actions.get((order.profile, order.cause.action or ""))
    if action is None or action.channel != CHANNEL or action.retry is None:
        return None
    if order.run_on is not RunOn.HOSTED:
        return None
    return replace(action.retry, attempts=action.retry.attempts + lease.repeats)


def _is_tried_again(
    outcome: Outcome, lease: Lease, retry: Schedule
) -> TypeGuard[Rejected]:
    """Tell whether a script ended badly, and an attempt is left for it."""
    ended_badly = isinstance(outcome, Rejected) and outcome.why is ReasonClass.SCRIPT
    return ended_badly and retry.wait_after(lease.number) is not None


def _is_held(outcome: Deferred | Rejected) -> bool:
    return isinstance(outcome, Deferred) and not outcome.spends_attempt


def _refused(reason: str) -> Rejected:
    return Rejected(reason, Fault.DEFINITION, why=ReasonClass.NO_DEFINITION)
