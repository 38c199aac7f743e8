"""Run requests: runs of analyses, as programs and people ask for them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.analysis import require_runnable
from keyrelay.model.audit import Change
from keyrelay.model.run import ListedRun, RunCause, RunOrder, RunOrigin
from keyrelay.services.remarks import unhosted
from keyrelay.stores.definitions.analyses import AnalysisStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.hosts import RunHosts
from keyrelay.stores.runs.records import NOUN, RunPage, RunRecords, keep_run

# How long a run that was asked for may wait until it begins.
WAITS = timedelta(hours=1)

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequests:
    """Each method raises Unavailable."""

    analyses: AnalysisStore
    runs: RunRecords
    hosts: RunHosts

    async def ask(self, profile: str, id_: str, scope: str, actor: str) -> RunOrder:
        """Keep a run of this analysis, with its audit record, durably on return.

        `scope` is as `parse_scope` returns it. Raises NotFound, and InvalidDefinition
        for an analysis that cannot be run as it stands.
        """
        scripted = (await self.analyses.scripted(profile, [id_])).get(id_)
        if scripted is None:
            raise NotFound(Noun.ANALYSIS, id_)
        require_runnable(scripted)
        async with self.analyses.documents.journal.writing(profile, actor) as writing:
            order = RunOrder(
                id=self.runs.world.new_id(writing.at),
                profile=profile,
                analysis=id_,
                run_on=scripted.analysis.run_on,
                cause=RunCause(
                    origin=RunOrigin.REQUEST,
                    asked_at=writing.at,
                    deadline=writing.at + WAITS,
                ),
                scope=scope,
            )
            await keep_run(writing.connection, order)
            detail = f"{scripted.analysis.name}: run {order.id}"
            writing.record(Noun.ANALYSIS, id_, Change.STARTED, detail)
        return order

    async def remark(self, order: RunOrder) -> str | None:
        """Say what a run that was asked for waits for; None, nothing is known of it."""
        scripted = await self.analyses.scripted(order.profile, [order.analysis])
        if order.analysis not in scripted:
            return None
        return await unhosted(scripted[order.analysis], self.hosts)

    async def list(
        self, profile: str, analysis: str, page: RunPage
    ) -> Sequence[ListedRun]:
        """Return the runs of an analysis, newest first. Raises NotFound."""
        await self.analyses.documents.get(profile, analysis)
        return await self.runs.list(profile, analysis, page)

    async def read(
        self, profile: str, analysis: str, limit: int | None = None
    ) -> AsyncIterator[ListedRun]:
        """Yield the runs of an analysis, newest first, and at most `limit` of them."""
        before, left = None, limit
        while left is None or left > 0:
            amount = _PAGE if left is None else min(left, _PAGE)
            page = RunPage(before=before, amount=amount)
            found = await self.list(profile, analysis, page)
            for run in found:
                yield run
            if len(found) < amount:
                return
            before = found[-1].order.id
            left = None if left is None else left - amount

    async def get(self, profile: str, analysis: str, id_: str) -> ListedRun:
        """Return a run of that analysis. Raises NotFound."""
        found = await self.runs.get(profile, id_)
        if found.order.analysis != analysis:
            raise NotFound(NOUN, id_)
        return found
