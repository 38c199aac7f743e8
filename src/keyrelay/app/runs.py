"""Runs: what asks for runs and tells of them, over an open store."""

from keyrelay.app.store import Store
from keyrelay.ports import TriggerQueue
from keyrelay.services.run_chains import RunChains
from keyrelay.services.run_requests import RunRequests
from keyrelay.services.run_tokens import RunTokens
from keyrelay.stores.runs.records import RunRecords


def run_records(store: Store) -> RunRecords:
    return RunRecords(database=store.database, world=store.audit_log.world)


def run_tokens(store: Store) -> RunTokens:
    now = store.audit_log.world.now
    return RunTokens(vault=store.vault, runs=run_records(store), now=now)


def run_requests(store: Store) -> RunRequests:
    return RunRequests(
        analyses=store.definitions.analyses,
        runs=run_records(store),
        hosts=store.run_hosts,
    )


def run_chains(store: Store, queue: TriggerQueue) -> RunChains:
    return RunChains(runs=run_records(store), publisher=queue.publisher)
