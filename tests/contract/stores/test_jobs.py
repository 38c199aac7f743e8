"""Jobs: kept with a record, lent to one process at a time, found again after a kill."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.dead_letter import ChosenLetter
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.ids import Beginnings
from keyrelay.model.job import Job, JobKind, JobOrder, JobRow, JobState, RowState
from keyrelay.model.outcome import Fault
from keyrelay.model.settlement import Bury
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from keyrelay.stores.jobs.leases import MOST_TAKEN, JobLease, JobLeases, JobLost
from keyrelay.stores.jobs.records import MOST_UNFINISHED, JobPage, ResultPage
from keyrelay.stores.jobs.results import CHOSEN_TOGETHER, JobResults
from keyrelay.stores.refusals import NotFound
from tests.contract.stores.ground import on_sqlite
from tests.contract.stores.house import ADA, House
from tests.samples import NOON, OTHER_PROFILE, PROFILE, QUEUE_ACTION
from tests.unit.services.letters import a_letter

SECOND = timedelta(seconds=1)
REDRIVE = JobOrder(kind=JobKind.REDRIVE, profile=PROFILE, actor=ADA)
DROP = replace(REDRIVE, kind=JobKind.DROP)
VERIFY = replace(REDRIVE, kind=JobKind.VERIFY)
EVERYTHING = DeadLetterQuery()
THEIRS = Bury(reason="it makes no sense", fault=Fault.TRIGGER)


def leases_of(house: House) -> JobLeases:
    return JobLeases(database=house.database, world=house.audit_log.world)


def results_of(house: House) -> JobResults:
    return JobResults(leases=leases_of(house))


async def taken(house: House, *, by: House | None = None) -> JobLease:
    lease = await leases_of(by or house).take()
    assert lease is not None
    return lease


async def state(house: House, job: Job) -> JobState:
    return (await house.jobs.get(job.order.profile, job.id)).state


async def end_lease(house: House) -> None:
    """Have time pass until every lease is over, also by a server's own clock."""
    await house.break_in("UPDATE jobs SET held_until = '2001-01-01 00:00:00'")


async def bury(house: House, count: int) -> None:
    letters = [a_letter(f"t{n:04}", after=n * SECOND) for n in range(count)]
    await house.dead_letters.keep(letters)


async def rows(house: House, job: Job) -> list[tuple[int, str, RowState]]:
    page = ResultPage(amount=10_000)
    found = await house.jobs.results(job.order.profile, job.id, page)
    return [(each.number, each.subject, each.state) for each in found]


async def test_a_job_is_read_back_as_it_was_ordered(
    house: House, neighbour: House
) -> None:
    order = replace(REDRIVE, query={"fault": "definition"}, rate=2.5)

    job = await house.jobs.start(order)

    assert job.state is JobState.WAITING
    assert job.order == order
    assert await neighbour.jobs.get(PROFILE, job.id) == job


async def test_the_start_and_the_cancel_of_a_job_are_records_with_their_actor(
    house: House,
) -> None:
    order = replace(DROP, query={"action": QUEUE_ACTION}, rate=5)
    job = await house.jobs.start(order)
    await house.jobs.cancel(PROFILE, job.id, "grace")
    await house.jobs.cancel(PROFILE, job.id, "grace")  # it is over: no record

    entries = await house.trail.list(PROFILE, AuditQuery(amount=2))

    said = {
        (entry.document["change"], entry.document["actor"], entry.document["detail"])
        for entry in entries
    }
    detail = f"drop, action {QUEUE_ACTION}, at most 5 a second"
    assert said == {("started", ADA, detail), ("cancelled", "grace", detail)}
    assert {entry.document["subject"] for entry in entries} == {job.id}
    assert (await house.trail.verify()).breach is None


async def test_a_job_of_the_installation_is_no_profiles(house: House) -> None:
    job = await house.jobs.start(replace(VERIFY, profile=None))

    assert [each.id for each in await house.jobs.list(None, JobPage())] == [job.id]
    assert await house.jobs.list(PROFILE, JobPage()) == []
    with pytest.raises(NotFound):
        await house.jobs.get(PROFILE, job.id)
    assert (await house.trail.verify()).breach is None


async def test_jobs_do_not_cross_profiles(house: House) -> None:
    job = await house.jobs.start(REDRIVE)

    assert await house.jobs.list(OTHER_PROFILE, JobPage()) == []
    sought = Beginnings((job.id[:8],), 5)
    assert await house.jobs.beginning(OTHER_PROFILE, sought) == []
    assert await house.jobs.beginning(PROFILE, sought) == [job.id]
    for profile in (OTHER_PROFILE, None):
        with pytest.raises(NotFound):
            await house.jobs.get(profile, job.id)
        with pytest.raises(NotFound):
            await house.jobs.results(profile, job.id, ResultPage())
    with pytest.raises(NotFound):
        await house.jobs.cancel(OTHER_PROFILE, job.id, ADA)
    assert await state(house, job) is JobState.WAITING


async def test_jobs_are_listed_newest_first_page_by_page(house: House) -> None:
    jobs = []
    for _ in range(3):
        jobs.append((await house.jobs.start(REDRIVE)).id)
        house.clock.time += SECOND

    first = await house.jobs.list(PROFILE, JobPage(amount=2))
    rest = await house.jobs.list(PROFILE, JobPage(after=first[-1].id))

    assert [each.id for each in [*first, *rest]] == jobs[::-1]


async def test_a_profile_has_only_so_many_unfinished_jobs(house: House) -> None:
    jobs = [await house.jobs.start(REDRIVE) for _ in range(MOST_UNFINISHED)]

    with pytest.raises(InvalidDefinition, match="20 jobs are unfinished"):
        await house.jobs.start(REDRIVE)

    await house.jobs.start(replace(REDRIVE, profile=OTHER_PROFILE))
    await house.jobs.cancel(PROFILE, jobs[0].id, ADA)
    await house.jobs.start(REDRIVE)


async def test_a_job_is_lent_to_one_process_until_its_lease_ends(
    house: House, neighbour: House
) -> None:
    job = await house.jobs.start(REDRIVE)
    lease = await taken(house)
    refused = await leases_of(neighbour).take()
    await end_lease(house)

    again = await taken(house, by=neighbour)

    assert refused is None
    assert (lease.job.id, again.job.id) == (job.id, job.id)
    assert again.owner != lease.owner
    assert await state(house, job) is JobState.RUNNING


async def test_a_renewed_lease_does_not_end(house: House, neighbour: House) -> None:
    await house.jobs.start(REDRIVE)
    lease = await taken(house)
    await end_lease(house)

    await leases_of(house).renew(lease)

    assert await leases_of(neighbour).take() is None
    assert await leases_of(house).is_to_go_on(lease)


async def test_what_lost_its_lease_writes_nothing(
    house: House, neighbour: House
) -> None:
    await bury(house, 1)
    job = await house.jobs.start(DROP)
    lost = await taken(house)
    assert await results_of(house).choose(lost, EVERYTHING)
    await end_lease(house)
    await taken(house, by=neighbour)

    async def note(connection: AsyncConnection, _: object) -> None:
        await results_of(house).keep(connection, lost, {1: None})

    leases = leases_of(house)
    with pytest.raises(JobLost):
        await house.dead_letters.drop(PROFILE, [a_letter("t0000")], ADA, note)
    with pytest.raises(JobLost):
        await leases.renew(lost)
    with pytest.raises(JobLost):
        await leases.end(lost, {"state": JobState.DONE})
    with pytest.raises(JobLost):
        await results_of(house).choose(lost, EVERYTHING)
    with pytest.raises(JobLost):
        await results_of(house).replace(lost, [])
    await leases.give_back(lost)

    assert not await leases.is_to_go_on(lost)
    assert await rows(house, job) == [(1, "t0000", RowState.WAITING)]
    assert await house.dead_letters.ids(PROFILE, EVERYTHING) == ["t0000"]
    assert await state(house, job) is JobState.RUNNING


async def test_what_was_given_back_is_taken_at_once(
    house: House, neighbour: House
) -> None:
    job = await house.jobs.start(REDRIVE)
    lease = await taken(house)

    await leases_of(house).give_back(lease)

    assert await state(house, job) is JobState.WAITING
    assert (await taken(house, by=neighbour)).job.times.started_at is not None


async def test_a_waiting_job_is_cancelled_at_once(house: House) -> None:
    job = await house.jobs.start(REDRIVE)

    cancelled = await house.jobs.cancel(PROFILE, job.id, ADA)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.times.ended_at is not None
    assert await leases_of(house).take() is None


async def test_a_running_job_is_cancelled_by_what_runs_it(house: House) -> None:
    job = await house.jobs.start(REDRIVE)
    lease = await taken(house)

    asked = await house.jobs.cancel(PROFILE, job.id, ADA)
    goes_on = await leases_of(house).is_to_go_on(lease)
    await leases_of(house).renew(lease)  # it may finish its row
    await leases_of(house).give_back(lease)

    assert (asked.state, goes_on) == (JobState.CANCELLING, False)
    assert await state(house, job) is JobState.CANCELLED


async def test_a_job_whose_process_was_killed_is_cancelled_without_one(
    house: House,
) -> None:
    killed, asked_before = [await house.jobs.start(each) for each in (REDRIVE, DROP)]
    await taken(house)
    await taken(house)
    await house.jobs.cancel(PROFILE, asked_before.id, ADA)
    await end_lease(house)

    cancelled = await house.jobs.cancel(PROFILE, killed.id, ADA)

    assert cancelled.state is JobState.CANCELLED
    assert await leases_of(house).take() is None
    assert await state(house, asked_before) is JobState.CANCELLED


async def test_a_profile_has_one_job_of_a_kind_under_way(house: House) -> None:
    first = await house.jobs.start(REDRIVE)
    house.clock.time += SECOND
    await house.jobs.start(REDRIVE)
    others = [DROP, replace(REDRIVE, profile=OTHER_PROFILE), VERIFY]
    for order in others:
        await house.jobs.start(order)
    await house.jobs.start(replace(VERIFY, profile=None))

    leases = [await taken(house) for _ in range(4)]

    assert leases[0].job.id == first.id
    under_way = [(each.job.order.kind, each.job.order.profile) for each in leases]
    assert len(set(under_way)) == 4
    assert sum(kind is JobKind.VERIFY for kind, _ in under_way) == 1
    assert await leases_of(house).take() is None


async def test_a_job_that_ends_whatever_runs_it_is_given_up(house: House) -> None:
    job = await house.jobs.start(REDRIVE)
    for _ in range(MOST_TAKEN):
        await taken(house)
        await end_lease(house)

    assert await leases_of(house).take() is None

    failed = await house.jobs.get(PROFILE, job.id)
    assert failed.state is JobState.FAILED
    assert failed.progress.message == "given up: 10 processes ended while they ran it"


@on_sqlite
async def test_a_job_that_cannot_be_read_holds_up_no_other(house: House) -> None:
    first = await house.jobs.start(DROP)
    house.clock.time += SECOND
    second = await house.jobs.start(REDRIVE)
    await house.break_in("UPDATE jobs SET query = '[' WHERE kind = 'drop'")

    assert (await taken(house)).job.id == second.id
    assert [each.id for each in await house.jobs.list(PROFILE, JobPage())] == [
        second.id
    ]
    with pytest.raises(NotFound):
        await house.jobs.get(PROFILE, first.id)
    await house.break_in("UPDATE jobs SET done = 'x'")
    assert await house.jobs.list(PROFILE, JobPage()) == []


async def test_the_letters_that_match_are_chosen_once_the_newest_first(
    house: House,
) -> None:
    await bury(house, 2)
    await house.dead_letters.keep(
        [
            a_letter("other", QUEUE_ACTION),
            replace(a_letter("theirs"), settlement=THEIRS),
        ]
    )
    query = DeadLetterQuery(action=a_letter().trigger.action, fault=Fault.SYSTEM)
    job = await house.jobs.start(REDRIVE)
    lease = await taken(house)

    chosen = await results_of(house).choose(lease, query)
    await house.dead_letters.keep([a_letter("later", after=9 * SECOND)])
    again = await results_of(house).choose(lease, query)

    assert (chosen, again) == (True, True)
    assert await results_of(house).waiting(lease, 10) == {
        1: ChosenLetter(trigger="t0001", buried_at=NOON + SECOND),
        2: ChosenLetter(trigger="t0000", buried_at=NOON),
    }
    assert await results_of(house).waiting(lease, 1) == {
        1: ChosenLetter(trigger="t0001", buried_at=NOON + SECOND)
    }
    assert (await house.jobs.get(PROFILE, job.id)).progress.total == 2


async def test_many_letters_are_chosen_in_parts_by_one_process_or_the_next(
    house: House, neighbour: House
) -> None:
    # Several are buried in one moment, also where one part ends.
    count = CHOSEN_TOGETHER + 300
    ids = [f"t{number:04}" for number in range(count)]
    await house.dead_letters.keep(
        [a_letter(id_, after=(n // 7) * -SECOND) for n, id_ in enumerate(ids)]
    )
    job = await house.jobs.start(DROP)
    lease = await taken(house)
    first = await results_of(house).choose(lease, EVERYTHING)
    await end_lease(house)
    lease = await taken(house, by=neighbour)

    rest = await results_of(neighbour).choose(lease, EVERYTHING)

    assert (first, rest) == (False, True)
    assert await rows(house, job) == [
        (number, id_, RowState.WAITING) for number, id_ in enumerate(ids, start=1)
    ]


async def test_a_result_is_kept_with_what_it_tells_or_neither_is(house: House) -> None:
    await bury(house, 3)
    job = await house.jobs.start(DROP)
    lease = await taken(house)
    await results_of(house).choose(lease, EVERYTHING)
    letter = a_letter("t0000")

    async def fail(connection: AsyncConnection, _: object) -> None:
        await results_of(house).keep(connection, lease, {1: None})
        raise JobLost

    async def note(connection: AsyncConnection, _: object) -> None:
        await results_of(house).keep(connection, lease, {3: None, 1: "it is away"})

    with pytest.raises(JobLost):
        await house.dead_letters.drop(PROFILE, [letter], ADA, fail)
    nothing = await rows(house, job)
    await house.dead_letters.drop(PROFILE, [letter], ADA, note)

    assert {each[2] for each in nothing} == {RowState.WAITING}
    found = await house.jobs.results(PROFILE, job.id, ResultPage())
    assert [(each.state, each.reason) for each in found] == [
        (RowState.REFUSED, "it is away"),
        (RowState.WAITING, None),
        (RowState.DONE, None),
    ]
    progress = (await house.jobs.get(PROFILE, job.id)).progress
    assert (progress.total, progress.done, progress.refused) == (3, 1, 1)


async def test_results_are_paged_by_number_and_by_state(house: House) -> None:
    await bury(house, 5)
    job = await house.jobs.start(DROP)
    lease = await taken(house)
    await results_of(house).choose(lease, EVERYTHING)
    async with house.database.writing() as connection:
        await results_of(house).keep(connection, lease, {2: "no", 4: "no", 5: None})

    async def numbers(page: ResultPage) -> list[int]:
        found = await house.jobs.results(PROFILE, job.id, page)
        return [each.number for each in found]

    assert await numbers(ResultPage(amount=2)) == [1, 2]
    assert await numbers(ResultPage(after=2)) == [3, 4, 5]
    assert await numbers(ResultPage(state=RowState.REFUSED)) == [2, 4]
    assert await numbers(ResultPage(after=2, state=RowState.REFUSED)) == [4]
    assert [*await results_of(house).waiting(lease, 9)] == [1, 3]


async def test_findings_replace_those_of_a_verification_that_was_cut_short(
    house: House,
) -> None:
    job = await house.jobs.start(VERIFY)
    lease = await taken(house)
    finding = JobRow(number=1, subject="a", state=RowState.BROKEN, reason="edited")

    await results_of(house).replace(lease, [finding, replace(finding, number=2)])
    await results_of(house).replace(lease, [finding])

    assert await house.jobs.results(PROFILE, job.id, ResultPage()) == [finding]
    await results_of(house).replace(lease, [])
    assert await rows(house, job) == []


async def test_an_ended_job_is_forgotten_after_a_week(house: House) -> None:
    await bury(house, CHOSEN_TOGETHER + 1)
    job, young = [await house.jobs.start(each) for each in (DROP, REDRIVE)]
    results = results_of(house)
    for _ in range(2):
        lease = await taken(house)
        while not await results.choose(lease, EVERYTHING):
            pass
        await leases_of(house).end(lease, {"state": JobState.DONE})
    early = await results.forget()
    await house.break_in(
        "UPDATE jobs SET ended_at = '2001-01-01 00:00:00' WHERE kind = 'drop'"
    )

    forgotten = [await results.forget() for _ in range(4)]

    assert early is False
    assert forgotten == [True, True, True, False]
    with pytest.raises(NotFound):
        await house.jobs.get(PROFILE, job.id)
    assert len(await rows(house, young)) == CHOSEN_TOGETHER + 1
