"""Jobs run to their end, whatever ends in between; each row says what became of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.background import background
from keyrelay.model.backlog import TriggerState
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.job import Job, JobKind, JobState, RowState
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Done
from keyrelay.ports import Unavailable
from keyrelay.services.job_holding import HeldJob
from keyrelay.services.job_letters import MOST_TOGETHER, JobLetters
from keyrelay.services.job_runner import JobRunner
from keyrelay.services.job_verification import MOST_FINDINGS, Findings, JobVerification
from keyrelay.services.jobs import Jobs, LetterWork, parse_query, query_document
from keyrelay.services.redriving import DeadLetterAdministration, Redriving
from keyrelay.stores.audit.chain import breach_at
from keyrelay.stores.audit.log import ChainedLog
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.dead_letters import DeadLetterStore
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.jobs.leases import JobLeases
from keyrelay.stores.jobs.records import ResultPage
from keyrelay.stores.jobs.results import JobResults
from tests.contract.stores.claims import Wire
from tests.contract.stores.house import ADA, House
from tests.memory_queue import MemoryQueue
from tests.samples import (
    MAIL_ACTION,
    NOON,
    OTHER_PROFILE,
    PROFILE,
    QUEUE_ACTION,
    a_trigger,
)
from tests.unit.services.letters import a_letter, bury

SECOND = timedelta(seconds=1)
STEP = timedelta(seconds=0.02)  # a look at the database takes a few of them
ALL = DeadLetterQuery()
TOKEN = "token:ci (p-1a2b) from 192.0.2.7"


@dataclass(slots=True, kw_only=True)
class FlakyQueue(MemoryQueue):
    """Does not answer until it was asked so often."""

    away: int

    async def redrive(self, letter: DeadLetter) -> bool:
        if self.away:
            self.away -= 1
            raise Unavailable("the queue does not answer")
        return await MemoryQueue.redrive(self, letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyDatabase(Wire):
    """Gives nobody the right to write until all its refusals were said."""

    refusals: list[str]

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        if self.refusals:
            raise Unavailable(self.refusals.pop())
        return Wire.writing(self)


@dataclass(slots=True, kw_only=True)
class StuckQueue(MemoryQueue):
    """Takes a trigger, and never says so."""

    took: asyncio.Event

    async def redrive(self, letter: DeadLetter) -> bool:
        await MemoryQueue.redrive(self, letter)
        self.took.set()
        await asyncio.Event().wait()
        return True


def letters_of(house: House, queue: MemoryQueue) -> JobLetters:
    return JobLetters(
        redriving=Redriving(queue=queue, letters=house.dead_letters),
        administration=DeadLetterAdministration(letters=house.dead_letters),
    )


def runner_of(house: House, queue: MemoryQueue) -> JobRunner:
    leases = JobLeases(database=house.database, world=house.audit_log.world)
    return JobRunner(
        results=JobResults(leases=leases),
        letters=letters_of(house, queue),
        verification=JobVerification(trail=house.trail),
    )


@asynccontextmanager
async def running(runner: JobRunner) -> AsyncIterator[None]:
    """Run jobs meanwhile; they are stopped at the end."""
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def start(house: House, kind: JobKind, work: LetterWork | None = None) -> Job:
    return await Jobs(records=house.jobs).start(kind, PROFILE, TOKEN, work)


async def read(house: House, job: Job) -> Job:
    return await house.jobs.get(job.order.profile, job.id)


async def ended(house: House, job: Job) -> Job:
    """Have time pass until the job is over."""
    while not (found := await read(house, job)).state.is_over:
        house.clock.advance(STEP)
    return found


async def until_done(house: House, job: Job, rows: int) -> None:
    while (await read(house, job)).progress.done < rows:
        house.clock.advance(STEP)


async def rows(house: House, job: Job) -> list[tuple[str, RowState, str | None]]:
    page = ResultPage(amount=10_000)
    found = await house.jobs.results(job.order.profile, job.id, page)
    return [(each.subject, each.state, each.reason) for each in found]


async def left(house: House) -> Sequence[str]:
    return sorted(await house.dead_letters.ids(PROFILE, ALL))


def waiting(queue: MemoryQueue) -> list[str]:
    return sorted(id_ for _, id_ in queue.storage.rows)


def names(count: int) -> list[str]:
    return [f"t{number:03}" for number in range(count)]


async def test_letters_that_match_are_redriven_and_the_others_stay(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(MOST_TOGETHER + 5))
    await house.dead_letters.keep([a_letter("other", QUEUE_ACTION)])
    query = DeadLetterQuery(action=MAIL_ACTION)
    job = await start(house, JobKind.REDRIVE, LetterWork(query=query))

    async with running(runner_of(house, queue)):
        done = await ended(house, job)

    assert done.state is JobState.DONE
    assert (done.progress.total, done.progress.done, done.progress.refused) == (
        MOST_TOGETHER + 5,
        MOST_TOGETHER + 5,
        0,
    )
    assert await left(house) == ["other"]
    status = await queue.status(PROFILE, "t000")
    assert status is not None
    assert status.state is TriggerState.WAITING
    assert await rows(house, job) == [
        (id_, RowState.DONE, None) for id_ in names(MOST_TOGETHER + 5)
    ]
    (record,) = await house.trail.list(PROFILE, AuditQuery(trigger="t000"))
    assert (record.document["change"], record.document["actor"]) == ("redriven", TOKEN)


async def test_letters_are_dropped_and_their_triggers_stay_away(
    house: House, queue: MemoryQueue
) -> None:
    await house.dead_letters.keep([a_letter(id_) for id_ in names(3)])
    job = await start(house, JobKind.DROP)

    async with running(runner_of(house, queue)):
        done = await ended(house, job)

    assert (done.state, done.progress.done) == (JobState.DONE, 3)
    assert await left(house) == []
    assert waiting(queue) == []


async def test_a_letter_that_cannot_be_redriven_says_why_and_stops_no_other(
    house: House, queue: MemoryQueue
) -> None:
    await queue.accept(a_trigger(id_="leased"))
    lease = await queue.lease(asyncio.Event())
    await bury(house, queue, "anew", "gone", "well")
    await house.dead_letters.keep([a_letter("leased")])
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))
    runner = runner_of(house, queue)
    taken = await runner.results.leases.take()
    assert taken is not None
    assert lease is not None
    await runner.results.choose(taken, ALL)
    await runner.results.leases.give_back(taken)
    await house.dead_letters.drop(PROFILE, [a_letter("gone")], ADA)
    await house.dead_letters.keep([a_letter("anew", after=SECOND)])

    async with running(runner_of(house, queue)):
        done = await ended(house, job)

    assert await rows(house, job) == [
        ("anew", RowState.REFUSED, "anew was buried anew: look again"),
        ("gone", RowState.REFUSED, "there is no dead letter gone"),
        (
            "leased",
            RowState.REFUSED,
            "trigger leased is being attempted: look again",
        ),
        ("well", RowState.DONE, None),
    ]
    assert (done.progress.done, done.progress.refused) == (1, 3)
    assert await left(house) == ["anew", "leased"]


async def test_a_rate_is_not_exceeded(house: House, queue: MemoryQueue) -> None:
    await house.dead_letters.keep([a_letter(id_) for id_ in names(5)])
    job = await start(house, JobKind.DROP, LetterWork(query=ALL, rate=2))

    async with running(runner_of(house, queue)):
        done = await ended(house, job)

    assert done.times.started_at is not None
    assert done.times.ended_at is not None
    assert done.times.ended_at - done.times.started_at >= 2 * SECOND
    assert done.progress.done == 5


async def test_a_cancel_does_not_wait_for_the_next_of_slow_rows(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(3))
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL, rate=0.01))

    async with running(runner_of(house, queue)):
        await until_done(house, job, 1)
        await house.jobs.cancel(PROFILE, job.id, ADA)
        asked_at = house.clock.now()
        cancelled = await ended(house, job)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.times.ended_at is not None
    # Between two rows are a hundred seconds. The clock runs on while the database
    # works, so that a slow machine's is not a second.
    assert cancelled.times.ended_at - asked_at <= timedelta(seconds=50)
    assert await left(house) == ["t001", "t002"]
    assert [state for _, state, _ in await rows(house, job)] == [
        RowState.DONE,
        RowState.WAITING,
        RowState.WAITING,
    ]


async def test_a_stopped_process_gives_its_job_back_and_the_next_goes_on(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(3))
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL, rate=0.01))
    async with running(runner_of(house, queue)):
        await until_done(house, job, 1)
    between = await read(house, job)

    async with running(runner_of(house, queue)):
        await until_done(house, job, 2)

    assert between.state is JobState.WAITING
    assert await left(house) == ["t002"]


async def test_a_queue_that_does_not_answer_is_waited_for(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(3))
    flaky = FlakyQueue(world=queue.world, storage=queue.storage, away=4)
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))

    async with running(runner_of(house, flaky)):
        done = await ended(house, job)

    assert (done.state, done.progress.done) == (JobState.DONE, 3)
    assert await left(house) == []


async def test_a_database_that_takes_no_results_is_waited_for(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(3))
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))
    busy = BusyDatabase(database=house.database, refusals=["it is locked"] * 2)
    audit_log = ChainedLog(
        database=busy,
        vault=house.audit_log.vault,
        world=house.audit_log.world,
        checkpoint=house.audit_log.checkpoint,
    )
    letters = DeadLetterStore(database=busy, journal=Journal(audit_log=audit_log))
    redriving = Redriving(queue=queue, letters=letters)
    runner = runner_of(house, queue)

    async with running(
        replace(runner, letters=replace(runner.letters, redriving=redriving))
    ):
        done = await ended(house, job)

    assert (busy.refusals, done.state, done.progress.done) == ([], JobState.DONE, 3)
    assert await left(house) == []


async def cut_short(house: House, queue: MemoryQueue) -> None:
    """Have a process end when the queue has the trigger, and the letter stands."""
    took = asyncio.Event()
    stuck = StuckQueue(world=queue.world, storage=queue.storage, took=took)
    async with background(runner_of(house, stuck).run(asyncio.Event())):
        while not took.is_set():
            house.clock.advance(STEP)
            await left(house)
    house.clock.advance(20 * SECOND)  # its lease ends


async def test_what_was_killed_before_its_letter_was_gone_is_not_redriven_twice(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t000")
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))
    await cut_short(house, queue)
    lease = await queue.lease(asyncio.Event())  # a worker delivers it meanwhile
    assert lease is not None
    await lease.settle(Done())

    async with running(runner_of(house, queue)):
        done = await ended(house, job)

    assert await rows(house, job) == [("t000", RowState.DONE, None)]
    assert done.progress.done == 1
    status = await queue.status(PROFILE, "t000")
    assert status is not None
    assert status.state is TriggerState.DONE
    assert await left(house) == []


async def test_what_was_buried_anew_after_a_kill_is_not_redriven_again(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t000")
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))
    await cut_short(house, queue)
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    again = a_letter("t000", after=SECOND)
    await house.dead_letters.keep([again])
    await lease.settle(again.settlement)

    async with running(runner_of(house, queue)):
        await ended(house, job)

    assert await rows(house, job) == [
        ("t000", RowState.REFUSED, "t000 was buried anew: look again")
    ]
    status = await queue.status(PROFILE, "t000")
    assert status is not None
    assert status.state is TriggerState.BURIED


async def test_a_process_that_slept_through_its_lease_touches_no_letter(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t000")
    job = await start(house, JobKind.REDRIVE, LetterWork(query=ALL))
    results = runner_of(house, queue).results
    lease = await results.leases.take()
    assert lease is not None
    asleep = HeldJob(lease=lease, results=results, ours_until=house.clock.now())

    with pytest.raises(Unavailable, match="is to be renewed first"):
        await letters_of(house, queue).redrive(asleep)

    status = await queue.status(PROFILE, "t000")
    assert status is not None
    assert status.state is TriggerState.BURIED
    assert await rows(house, job) == [("t000", RowState.WAITING, None)]


async def test_a_job_that_another_process_took_is_left_to_it(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, *names(3))
    job = await start(house, JobKind.DROP, LetterWork(query=ALL, rate=0.01))

    async with running(runner_of(house, queue)):
        await until_done(house, job, 1)
        await house.break_in(
            "UPDATE jobs SET owner = 'other', held_until = '2100-01-01 00:00:00'"
        )
        for _ in range(300):
            house.clock.advance(SECOND)
            await read(house, job)
        found = await read(house, job)

    assert found.state is JobState.RUNNING
    assert found.progress.done == 1
    assert await house.look("SELECT owner FROM jobs") == [("other",)]


async def test_a_query_that_was_altered_fails_the_job_and_touches_no_letter(
    house: House, queue: MemoryQueue
) -> None:
    await bury(house, queue, "t000")
    job = await start(house, JobKind.DROP, LetterWork(query=ALL))
    await house.break_in("""UPDATE jobs SET query = '{"all": true}'""")

    async with running(runner_of(house, queue)):
        failed = await ended(house, job)

    assert failed.state is JobState.FAILED
    assert failed.progress.message == "the job's query is not what was written"
    assert await left(house) == ["t000"]


async def verified(
    house: House, queue: MemoryQueue, profile: str | None
) -> tuple[Job, list[tuple[str, RowState, str | None]]]:
    jobs = Jobs(records=house.jobs)
    job = await jobs.start(JobKind.VERIFY, profile, TOKEN)
    async with running(runner_of(house, queue)):
        done = await ended(house, job)
    return done, await rows(house, done)


async def test_a_sound_trail_is_said_to_be_sound(
    house: House, queue: MemoryQueue
) -> None:
    ours, no_rows = await verified(house, queue, PROFILE)
    whole, nothing = await verified(house, queue, None)

    assert (ours.state, ours.progress.sound, no_rows) == (JobState.DONE, True, [])
    assert ours.progress.message == "nothing is missing or altered"
    assert (whole.progress.sound, nothing) == (True, [])
    assert (ours.progress.total, whole.progress.total > 0) == (0, True)


async def test_of_an_altered_trail_each_is_told_what_is_its_own(
    house: House, queue: MemoryQueue
) -> None:
    await house.dead_letters.keep(
        [replace(a_letter(id_), trigger=a_trigger(id_=id_)) for id_ in names(2)]
    )
    await house.dead_letters.drop(
        PROFILE, [a_letter(id_) for id_ in names(2)], "sensitive"
    )
    await house.break_in(
        "UPDATE audit_records SET document = replace(document, 'sensitive', 'nobody')"
        " WHERE document LIKE '%sensitive%'"
    )
    edited = "it was edited, moved here or put in"

    ours, our_rows = await verified(house, queue, PROFILE)
    theirs, their_rows = await verified(house, queue, OTHER_PROFILE)
    whole, all_rows = await verified(house, queue, None)

    assert (ours.progress.sound, ours.progress.refused) == (False, 1)
    assert [(state, why) for _, state, why in our_rows] == [(RowState.BROKEN, edited)]
    assert ours.progress.message.endswith("the first record of this profile's is named")
    assert (theirs.progress.sound, their_rows) == (False, [])
    assert theirs.progress.message == "the audit trail is not as it was written"
    assert theirs.progress.total == theirs.progress.refused == 0
    assert (whole.progress.sound, whole.progress.refused) == (False, 2)
    assert [why.partition(": ")[2] for _, _, why in all_rows if why] == [edited] * 2
    assert our_rows[0][0] == all_rows[0][0]


def put_folder(path: Path) -> None:
    """Put a folder where a file is, which a thread of the log may write meanwhile."""
    while not path.is_dir():
        path.unlink(missing_ok=True)
        with suppress(FileExistsError):
            path.mkdir()


async def test_a_checkpoint_that_cannot_be_read_is_waited_for_until_a_cancel(
    house: House, queue: MemoryQueue
) -> None:
    path = house.audit_log.checkpoint.path
    job = await start(house, JobKind.VERIFY)
    await house.audit_log.keep_checkpoint()
    put_folder(path)

    async with running(runner_of(house, queue)):
        for _ in range(60):
            house.clock.advance(STEP)
            assert not (await read(house, job)).state.is_over
        await house.jobs.cancel(PROFILE, job.id, ADA)
        cancelled = await ended(house, job)

    path.rmdir()
    assert cancelled.state is JobState.CANCELLED


def test_findings_are_kept_up_to_a_bound_and_counted_beyond_it() -> None:
    findings = Findings(profile=None)
    for _ in range(MOST_FINDINGS + 1):
        findings.add(breach_at("", "the checkpoint file is missing"))

    assert len(findings.rows()) == MOST_FINDINGS
    assert findings.ending["refused"] == MOST_FINDINGS + 1
    assert findings.rows()[0].reason == "the checkpoint file is missing"


@pytest.mark.parametrize(
    "query",
    [
        ALL,
        DeadLetterQuery(action=MAIL_ACTION),
        DeadLetterQuery(reason="421", triggers=("t1", "t2")),
        DeadLetterQuery(fault=Fault.SYSTEM, since=NOON + timedelta(microseconds=1)),
    ],
    ids=str,
)
def test_a_query_is_read_back_as_it_was_written(query: DeadLetterQuery) -> None:
    assert parse_query(query_document(query)) == query


@pytest.mark.parametrize(
    "document",
    [{"all": True}, {"action": 1}, {"since": []}, {"triggers": [1]}],
    ids=str,
)
def test_a_query_that_is_none_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidDefinition):
        parse_query(document)


async def test_all_jobs_are_read_or_as_many_as_are_asked_for(house: House) -> None:
    jobs = Jobs(records=house.jobs)
    for _ in range(3):
        house.clock.time += SECOND
        await start(house, JobKind.DROP)

    everything = [each.id async for each in jobs.read(PROFILE)]
    two = [each.id async for each in jobs.read(PROFILE, 2)]

    assert len(everything) == 3
    assert two == everything[:2]
