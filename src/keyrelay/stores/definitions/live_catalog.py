"""Live catalog: the view of all definitions, kept up to date while it is used."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyrelay.concurrency.background import background
from keyrelay.concurrency.outage import Outage
from keyrelay.databases.database import Database
from keyrelay.model.action_document import ActionRules
from keyrelay.model.catalog import Catalog
from keyrelay.model.secret import Secret
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.loading import (
    load,
    load_changes,
    read_revision,
)
from keyrelay.stores.definitions.view import NOTHING_READ, View

_LISTEN_AGAIN = timedelta(seconds=1)  # after the connection was lost
# A permission that is revoked while the database does not answer stays unseen: a view
# that was not confirmed for longer than this authorises nothing.
STALE = timedelta(seconds=5)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _CatalogState:
    """The last view, when it was last confirmed, and what prevents it since."""

    view: View = field(default_factory=View)
    catalog: Catalog = field(default_factory=lambda: View().catalog)
    confirmed_at: datetime | None = None
    fault: str | None = None
    outage: Outage = field(
        default_factory=lambda: Outage(
            log=log,
            begun="definitions not refreshed",
            over="definitions are refreshed again",
        )
    )
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCatalog:
    """`replaced` is called with each secret that gets a new version.

    The secrets of the first view are not reported.
    """

    database: Database
    guard: DefinitionGuard
    world: World
    rules: ActionRules
    replaced: Callable[[Secret], None]
    _state: _CatalogState = field(default_factory=_CatalogState, init=False)

    def current(self) -> Catalog:
        """Return the catalog. Raises Unavailable unless it was confirmed lately."""
        state = self._state
        at = state.confirmed_at
        # A clock that was set back must not make an old view seem new.
        if at is None or not timedelta() <= self.world.now() - at <= STALE:
            raise Unavailable(state.fault or "the definitions were not read yet")
        return state.catalog

    async def refresh(self) -> bool:
        """Bring the view up to date; False, the database failed: it grows old."""
        state = self._state
        async with state.lock:
            try:
                at = await self._confirm()
            except Unavailable as fault:
                state.fault = str(fault)
                state.outage.failed(state.fault)
                return False
            state.confirmed_at, state.fault = at, None
            state.outage.ended()
            return True

    async def watch(self, stop: asyncio.Event) -> None:
        """Refresh at each change signal and at each poll, until `stop` is set."""
        changed = asyncio.Event()
        async with (
            background(stop.wait()) as stopping,
            background(self._listen(changed)) as listening,
        ):
            while not (stopping.done() or listening.done()):
                # Cleared before the refresh: a signal that arrives while it reads may
                # be about a change that it does not see.
                changed.clear()
                await self.refresh()
                async with (
                    background(self.world.sleep(self.database.poll_interval)) as poll,
                    background(changed.wait()) as signal,
                ):
                    waits = [stopping, listening, poll, signal]
                    await asyncio.wait(waits, return_when="FIRST_COMPLETED")

    async def _listen(self, changed: asyncio.Event) -> None:
        outage = Outage(
            log=log,
            begun="changes are not heard of at once",
            over="changes are heard of at once again",
        )
        while True:
            try:
                async with self.database.listening(changed) as lost:
                    changed.set()  # for what was signalled before
                    outage.ended()
                    await lost.wait()
            except Unavailable as fault:
                outage.failed(str(fault))
            await self.world.sleep(_LISTEN_AGAIN)

    async def _confirm(self) -> datetime:
        """Return a time at which the view was the newest: before it was read."""
        at = self.world.now()
        if await self._update():
            # To read all definitions takes a while, in which they may have changed.
            at = self.world.now()
            await self._update()
        return at

    async def _update(self) -> bool:
        """Read what has changed; return whether anything has."""
        state = self._state
        view = state.view
        async with self.database.reading() as connection:
            revision = await read_revision(connection)
            if revision == view.revision:
                return False
            keys = await self.guard.keys()
            if revision.is_older_than(view.revision):
                raise Unavailable(
                    "the database is older than it was:"
                    " if a backup was restored on purpose, restart"
                )
            first = view.revision == NOTHING_READ
            new = await (
                load(connection, keys, await self.guard.noted(), self.rules)
                if first or revision.history != view.revision.history
                else load_changes(connection, keys, self.rules, view)
            )
        state.view, state.catalog = new, new.catalog
        before, after = view.kept.secrets, new.kept.secrets
        if not first and after is not before:
            for scoped, sealed in after.items():
                if sealed is not before.get(scoped):
                    self.replaced(sealed.secret)
        return True
