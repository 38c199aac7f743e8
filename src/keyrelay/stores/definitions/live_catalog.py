"""Live catalog: the view of all definitions, never older than a moment."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from keyrelay.databases.database import Database
from keyrelay.model.catalog import Catalog
from keyrelay.model.world import World
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.loading import View, load, load_changes, read_revision
from keyrelay.stores.definitions.versions import LABEL
from keyrelay.vault.vault import Vault

_PATIENCE = timedelta(seconds=1)  # before we try again to hear of changes
# A permission that was revoked while the database does not answer cannot be seen:
# a view that nobody has confirmed for longer authorises nothing.
STALE = timedelta(seconds=5)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Sight:
    """The last view, when it was last known to be the newest, and why no longer."""

    view: View = field(default_factory=View)
    catalog: Catalog = field(default_factory=lambda: View().catalog)
    confirmed_at: datetime | None = None
    fault: str | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCatalog:
    """`replaced` is told each secret that has a new version since the first view."""

    database: Database
    vault: Vault
    world: World
    replaced: Callable[[str], None]
    _sight: _Sight = field(default_factory=_Sight, init=False)

    def current(self) -> Catalog:
        """Return the view as of the last refresh. Raises Unavailable if that is old."""
        sight = self._sight
        at = sight.confirmed_at
        # A clock that was set back must not make an old view young.
        if at is None or not timedelta() <= self.world.now() - at <= STALE:
            raise Unavailable(sight.fault or "the definitions were not read yet")
        return sight.catalog

    async def refresh(self) -> None:
        """See what has changed up to now; what stands in the way ages the view."""
        sight = self._sight
        async with sight.turn:
            try:
                at = await self._confirm()
            except Unavailable as fault:
                if sight.fault is None:
                    log.warning("definitions not refreshed", why=str(fault))
                sight.fault = str(fault)
                return
            sight.confirmed_at, sight.fault = at, None

    async def watch(self, stop: asyncio.Event) -> None:
        """Refresh whenever a change is heard of, and often, until `stop` is set."""
        heard = asyncio.Event()
        stopping = asyncio.create_task(stop.wait())
        hearing = asyncio.create_task(self._hear(heard))
        try:
            while not stopping.done():
                # Before we look: what is heard while we do may have come too late.
                heard.clear()
                await self.refresh()
                looking = asyncio.ensure_future(self.world.sleep(self.database.glance))
                told = asyncio.create_task(heard.wait())
                await asyncio.wait(
                    [stopping, looking, told], return_when="FIRST_COMPLETED"
                )
                looking.cancel()
                told.cancel()
        finally:
            stopping.cancel()
            hearing.cancel()
            await asyncio.wait([hearing])

    async def _hear(self, heard: asyncio.Event) -> None:
        told: str | None = None
        while True:
            try:
                async with self.database.hearing(heard) as deaf:
                    heard.set()  # for what was announced before
                    told = None
                    await deaf.wait()
            except Unavailable as fault:
                if told is None:
                    told = str(fault)
                    log.warning("changes are not heard of at once", why=told)
            await self.world.sleep(_PATIENCE)

    async def _confirm(self) -> datetime:
        """Return when the view was the newest: before it was read, not after."""
        at = self.world.now()
        if await self._look():
            # All definitions take a while to read, and may be old news by then.
            at = self.world.now()
            await self._look()
        return at

    async def _look(self) -> bool:
        """Tell whether the view has moved."""
        sight = self._sight
        view = sight.view
        async with self.database.reading() as connection:
            revision = await read_revision(connection)
            if revision == view.revision:
                return False
            mac = await self.vault.authenticator(LABEL)
            if revision < view.revision:
                raise Unavailable(
                    "the database is older than it was:"
                    " if a backup was restored on purpose, restart"
                )
            first = view.versions is None
            new = await (
                load(connection, mac) if first else load_changes(connection, mac, view)
            )
        sight.view, sight.catalog = new, new.catalog
        if not first and new.secrets is not view.secrets:
            for place, sealed in new.secrets.items():
                if sealed is not view.secrets.get(place):
                    self.replaced(sealed.secret.id)
        return True
