"""Recording: where a process records its attempts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyrelay.app.store import Store
from keyrelay.ports import AuditLog
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.last_times import NotingAuditLog, open_noted_times


@asynccontextmanager
async def open_recording(
    store: Store, noun: Noun = Noun.ACTION
) -> AsyncIterator[AuditLog]:
    """Give the audit log of attempts, which notes when actions were last triggered.

    Of runs it notes when analyses were last run.
    """
    async with open_noted_times(store.database, store.audit_log.world) as times:
        records = group_commits(store.audit_log)
        try:
            yield NotingAuditLog(behind=records, times=times, noun=noun)
        finally:
            await records.batch.close()
