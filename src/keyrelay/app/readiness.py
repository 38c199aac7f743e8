"""Readiness: what a process needs to go on, whether it works or answers."""

from collections.abc import Awaitable, Callable, Sequence

from keyrelay.app.store import Store
from keyrelay.model.backlog import Lag
from keyrelay.observability.readiness import Component, QueueLag, Readiness
from keyrelay.ports import Backlog
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.definitions.loading import read_revision


def readiness_of(
    store: Store,
    catalog: LiveCatalog,
    backlog: Backlog,
    lags: Callable[[], Awaitable[Sequence[Lag]]],
) -> Readiness:
    """Return what a process needs: vault, definitions, database and queue.

    `lags` is what asks the queue whether it answers.
    """
    queue_lag = QueueLag(read=lags, losses=backlog.losses)

    async def definitions() -> None:
        catalog.current()

    async def database() -> None:
        async with store.database.reading() as connection:
            await read_revision(connection)

    checks = {
        "vault": store.vault.check,
        "definitions": definitions,
        "database": database,
        "queue": queue_lag.refresh,
    }
    components = {name: Component(check=check) for name, check in checks.items()}
    return Readiness(components=components, queue_lag=queue_lag)
