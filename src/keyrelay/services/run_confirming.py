"""Run confirming: a script that runs elsewhere says how a run of its own has ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from keyrelay.model.analysis import RunOn
from keyrelay.model.audit_document import printable
from keyrelay.model.run import ListedRun
from keyrelay.model.run_confirmation import LONGEST_MESSAGE, RunConfirmation
from keyrelay.model.token import Token
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.records import NOUN, RunRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfirming:
    """`scrub` takes values out of what is said. Each method raises Unavailable."""

    runs: RunRecords
    scrub: Callable[[str], Awaitable[str]]

    async def run(self, script: Token, id_: str) -> ListedRun:
        """Return a run that this token of an analysis may confirm: its own, or any.

        Raises NotFound, alike for a run that there is not and for one of another's.
        """
        run = await self.runs.get(script.profile, id_)
        rights = script.rights
        is_own = run.order.analysis == rights.analysis and rights.run in (None, id_)
        if not is_own:
            raise NotFound(NOUN, id_)
        return run

    async def confirm(self, run: ListedRun, said: RunConfirmation) -> RunConfirmation:
        """Keep what was said first, durably on return; return what is kept."""
        if said.message is not None:
            message = await self.scrub(said.message)
            said = replace(said, message=printable(message, LONGEST_MESSAGE))
        order = run.order
        return await self.runs.confirm(order.profile, order.id, said)


def refusal_of(run: ListedRun, now: datetime) -> str | None:
    """Say why a run is not confirmed; None, it may be."""
    if run.order.run_on is RunOn.HOSTED:
        return (
            "this run is hosted: how its script ends is seen, and needs no word of it"
        )
    if run.times.started_at is None:
        return "this run was not handed to a script yet"
    if now > run.order.cause.deadline:
        return "this run is confirmed no more: its deadline has passed"
    return None
