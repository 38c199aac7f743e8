"""Jobs: what starts them and what runs them, over an open store and its queue."""

from keyrelay.app.store import Store
from keyrelay.services.job_letters import JobLetters
from keyrelay.services.job_runner import JobRunner
from keyrelay.services.job_verification import JobVerification
from keyrelay.services.jobs import Jobs
from keyrelay.services.redriving import (
    DeadLetterAdministration,
    LetterQueue,
    Redriving,
)
from keyrelay.stores.jobs.leases import JobLeases
from keyrelay.stores.jobs.records import JobRecords
from keyrelay.stores.jobs.results import JobResults


def jobs_of(store: Store) -> Jobs:
    return Jobs(records=JobRecords(journal=store.dead_letters.journal))


def job_runner(store: Store, queue: LetterQueue) -> JobRunner:
    """Return what runs jobs beside the other tasks of a process."""
    letters, world = store.dead_letters, store.audit_log.world
    leases = JobLeases(database=store.database, world=world)
    return JobRunner(
        results=JobResults(leases=leases),
        letters=JobLetters(
            redriving=Redriving(queue=queue, letters=letters),
            administration=DeadLetterAdministration(letters=letters),
        ),
        verification=JobVerification(trail=store.trail),
    )
