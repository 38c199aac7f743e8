"""Scheduling: what fires schedules in a worker, over its open parts."""

from keyrelay.app.store import Store
from keyrelay.ports import Inbox
from keyrelay.services.scheduling.scheduler import Scheduler
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.schedules import Schedules


def scheduler_of(store: Store, catalog: LiveCatalog, inbox: Inbox) -> Scheduler:
    return Scheduler(
        catalog=catalog.current,
        schedules=Schedules(database=store.database),
        accept=inbox.accept,
        world=store.audit_log.world,
    )
