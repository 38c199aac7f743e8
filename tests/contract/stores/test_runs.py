"""Runs: kept once, lent to one process at a time, found again after a kill."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.model.analysis import RunOn, Variable
from keyrelay.model.outcome import Fault
from keyrelay.model.run import RunCause, RunOrder, RunOrigin, RunResult, RunState
from keyrelay.model.run_confirmation import RunConfirmation
from keyrelay.model.settlement import Bury, Done, TryAgain
from keyrelay.stores.definitions.loading import revision_now
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.leases import RunLease
from keyrelay.stores.runs.queue import POLL, RunQueue
from keyrelay.stores.runs.records import RunPage, RunRecords
from tests.contract.stores.house import ADA, House, allow
from tests.fakes import Clock
from tests.samples import NOON, OTHER_PROFILE, PROFILE

SECOND = timedelta(seconds=1)
# By the clock of a server, which is its own, it is neither due nor over either.
CENTURY = timedelta(days=36500)
ANALYSIS, ANOTHER = "a" * 24, "b" * 24
SCOPE = '[{"variable":"temperature","value":9,"unit":"°C"}]'
ORDER = RunOrder(
    id="1" * 24,
    profile=PROFILE,
    analysis=ANALYSIS,
    run_on=RunOn.HOSTED,
    cause=RunCause(
        origin=RunOrigin.ACTION,
        asked_at=NOON - CENTURY / 10,
        deadline=NOON + CENTURY,
        action="c" * 24,
        trigger="cold-room.7",
        variables=(Variable("_action_id", "c" * 24), Variable("_tries", 2)),
    ),
    scope=SCOPE,
)
ENDED_BADLY = RunResult(
    sentence="The script ended with exit code 3.",
    exit_code=3,
    duration=1.5 * SECOND,
    peak_memory=2**33,
    last_lines=("ValueError: too cold", "in room 7"),
)
FAILED = Bury(reason=ENDED_BADLY.sentence, fault=Fault.DEFINITION)


def records_of(house: House) -> RunRecords:
    return RunRecords(database=house.database, world=house.audit_log.world)


def all_analyses() -> None:
    """Want the runs of all analyses."""


def queue_of(
    house: House,
    run_on: RunOn = RunOn.HOSTED,
    wanted: Callable[[], Collection[str] | None] = all_analyses,
) -> RunQueue:
    return RunQueue(
        database=house.database,
        world=house.audit_log.world,
        run_on=run_on,
        wanted=wanted,
    )


async def leased(queue: RunQueue) -> RunLease:
    lease = await queue.lease(asyncio.Event())
    assert lease is not None
    return lease


async def is_idle(queue: RunQueue, clock: Clock) -> bool:
    """Tell whether the queue has nothing to lend: it waits for its next look."""
    stop = asyncio.Event()
    waiting = asyncio.create_task(queue.lease(stop))
    asleep = asyncio.create_task(clock.until_asleep(POLL))
    await asyncio.wait([waiting, asleep], return_when=asyncio.FIRST_COMPLETED)
    asleep.cancel()
    stop.set()
    return await waiting is None


async def kill(house: House) -> None:
    """Have time pass until every lease is over, also by a server's own clock."""
    await house.break_in("UPDATE runs SET held_until = '2001-01-01 00:00:00'")


async def renew(queue: RunQueue, clock: Clock) -> None:
    """Return once the queue has renewed its leases."""
    await clock.until_asleep(queue.length / 3)
    clock.advance(queue.length / 3)
    await clock.until_asleep(queue.length / 3)


async def test_a_run_is_read_back_as_it_was_asked_for(
    house: House, neighbour: House
) -> None:
    kept = await records_of(house).keep(ORDER)

    run = await records_of(neighbour).get(PROFILE, ORDER.id)
    assert kept
    assert run.order == ORDER
    assert (run.state, run.attempts, run.result) == (RunState.WAITING, 0, None)
    assert await records_of(neighbour).order(PROFILE, ORDER.id) == ORDER


async def test_a_run_that_is_asked_for_twice_is_kept_once(house: House) -> None:
    await records_of(house).keep(ORDER)

    again = await records_of(house).keep(replace(ORDER, scope="[]"))

    assert not again
    assert await records_of(house).order(PROFILE, ORDER.id) == ORDER


async def test_runs_that_are_asked_for_together_are_kept_once(house: House) -> None:
    records, second = records_of(house), replace(ORDER, id="2" * 24, analysis=ANOTHER)
    await records.keep(ORDER)

    await records.keep_all([replace(ORDER, scope="[]"), second])
    await records.keep_all([second])
    await records.keep_all([])

    assert await records.order(PROFILE, ORDER.id) == ORDER
    assert await records.order(PROFILE, second.id) == second
    assert len(await house.look("SELECT id FROM runs")) == 2


async def test_runs_do_not_cross_profiles(house: House) -> None:
    records = records_of(house)
    await records.keep(ORDER)

    assert await records.order(OTHER_PROFILE, ORDER.id) is None
    assert await records.list(OTHER_PROFILE, ANALYSIS, RunPage()) == []
    with pytest.raises(NotFound):
        await records.get(OTHER_PROFILE, ORDER.id)


async def test_what_a_script_says_of_its_end_first_is_kept_and_settles_nothing(
    house: House, neighbour: House
) -> None:
    records = records_of(house)
    await records.keep(ORDER)
    lease = await leased(queue_of(house))
    first = RunConfirmation(at=NOON, ok=False, message="too cold")

    assert await records.confirm(PROFILE, ORDER.id, first) == first
    second = RunConfirmation(at=NOON + SECOND, ok=True)
    assert await records_of(neighbour).confirm(PROFILE, ORDER.id, second) == first

    run = await records.get(PROFILE, ORDER.id)
    assert (run.confirmed, run.state) == (first, RunState.RUNNING)
    await lease.settle(Done())
    run = await records.get(PROFILE, ORDER.id)
    assert (run.confirmed, run.state) == (first, RunState.DONE)


async def test_what_is_said_of_a_run_of_another_profile_is_not_kept(
    house: House,
) -> None:
    await records_of(house).keep(ORDER)
    said = RunConfirmation(at=NOON, ok=True)

    with pytest.raises(NotFound):
        await records_of(house).confirm(OTHER_PROFILE, ORDER.id, said)

    assert (await records_of(house).get(PROFILE, ORDER.id)).confirmed is None


async def test_runs_are_listed_newest_first_and_go_on_behind_one(house: House) -> None:
    records = records_of(house)
    for number in range(5):
        await records.keep(replace(ORDER, id=f"{number}" * 24))
    await records.keep(replace(ORDER, id="9" * 24, analysis=ANOTHER))

    first = await records.list(PROFILE, ANALYSIS, RunPage(amount=3))
    rest = await records.list(PROFILE, ANALYSIS, RunPage(before=first[-1].order.id))

    assert [run.order.id[0] for run in (*first, *rest)] == ["4", "3", "2", "1", "0"]


async def test_a_lease_names_the_analysis_and_how_new_the_definitions_were(
    house: House,
) -> None:
    await house.policies.create(PROFILE, allow(), ADA)
    await records_of(house).keep(ORDER)

    lease = await leased(queue_of(house))

    trigger = lease.trigger
    assert (trigger.id, trigger.profile, trigger.action) == (
        ORDER.id,
        PROFILE,
        ANALYSIS,
    )
    assert trigger.lifetime.deadline == ORDER.cause.deadline
    assert trigger.lifetime.revision == await revision_now(house.database)
    assert (lease.number, lease.repeats, lease.unsettled) == (1, False, None)
    assert await lease.still_held()


async def test_a_run_is_lent_to_one_process(house: House, neighbour: House) -> None:
    await records_of(house).keep(ORDER)
    await leased(queue_of(house))

    assert await is_idle(queue_of(neighbour), neighbour.clock)
    assert (await records_of(house).get(PROFILE, ORDER.id)).state is RunState.RUNNING


async def test_runs_are_lent_where_they_take_place_and_to_whom_wants_them(
    house: House,
) -> None:
    await records_of(house).keep(replace(ORDER, run_on=RunOn.EXTERNAL))

    assert await is_idle(queue_of(house), house.clock)
    assert await is_idle(
        queue_of(house, RunOn.EXTERNAL, lambda: (ANOTHER,)), house.clock
    )
    assert await is_idle(queue_of(house, RunOn.EXTERNAL, tuple), house.clock)
    external = queue_of(house, RunOn.EXTERNAL, lambda: (ANOTHER, ANALYSIS))
    assert (await leased(external)).trigger.id == ORDER.id


async def test_the_first_that_is_due_is_lent_first(house: House) -> None:
    later = replace(ORDER.cause, asked_at=ORDER.cause.asked_at + SECOND)
    await records_of(house).keep(replace(ORDER, id="0" * 24, cause=later))
    await records_of(house).keep(ORDER)
    queue = queue_of(house)

    assert [(await leased(queue)).trigger.id for _ in "ab"] == [ORDER.id, "0" * 24]


async def test_a_run_whose_deadline_passed_is_lent_to_whom_wants_none_of_its_analysis(
    house: House,
) -> None:
    late = replace(ORDER.cause, deadline=NOON - CENTURY / 20)
    await records_of(house).keep(replace(ORDER, run_on=RunOn.EXTERNAL, cause=late))

    lease = await leased(queue_of(house, RunOn.EXTERNAL, tuple))

    assert lease.trigger.id == ORDER.id


@pytest.mark.parametrize(
    ("settlement", "state"), [(Done(), RunState.DONE), (FAILED, RunState.FAILED)]
)
async def test_how_a_run_ended_is_kept_with_it(
    house: House, settlement: Done | Bury, state: RunState
) -> None:
    await records_of(house).keep(ORDER)
    queue = queue_of(house)
    lease = await leased(queue)
    queue.note(ORDER.id, ENDED_BADLY)

    await lease.settle(settlement)

    run = await records_of(house).get(PROFILE, ORDER.id)
    assert (run.state, run.attempts, run.result) == (state, 1, ENDED_BADLY)
    assert run.state.is_over
    assert run.times.started_at is not None
    assert run.times.ended_at is not None
    assert run.times.due is None
    assert await is_idle(queue, house.clock)


async def test_a_failure_without_a_result_says_why(house: House) -> None:
    await records_of(house).keep(ORDER)
    lease = await leased(queue_of(house))

    await lease.settle(Bury(reason="there is no analysis", fault=Fault.DEFINITION))

    run = await records_of(house).get(PROFILE, ORDER.id)
    assert run.result == RunResult(sentence="there is no analysis")


@pytest.mark.parametrize("spent", [True, False])
async def test_a_run_that_goes_back_waits_and_counts_what_was_spent(
    house: House, *, spent: bool
) -> None:
    await records_of(house).keep(ORDER)
    lease = await leased(queue_of(house))

    await lease.settle(TryAgain(after=CENTURY, spent=spent, reason="nobody listens"))

    run = await records_of(house).get(PROFILE, ORDER.id)
    assert (run.state, run.attempts) == (RunState.WAITING, int(spent))
    assert run.result == RunResult(sentence="nobody listens")
    assert await is_idle(queue_of(house), house.clock)


async def test_a_run_goes_to_another_process_after_a_kill_as_one_that_repeats(
    house: House, neighbour: House
) -> None:
    await records_of(house).keep(ORDER)
    killed = await leased(queue_of(house))
    await kill(house)

    lease = await leased(queue_of(neighbour))

    assert (lease.number, lease.repeats) == (2, True)
    assert lease.unsettled is not None
    assert lease.unsettled.is_last
    assert not await killed.still_held()


async def test_what_was_cut_short_once_repeats_after_a_wait_too(house: House) -> None:
    await records_of(house).keep(ORDER)
    await leased(queue_of(house))
    await kill(house)
    second = await leased(queue_of(house))
    await second.settle(TryAgain(after=-CENTURY, spent=False))

    third = await leased(queue_of(house))

    assert (third.number, third.repeats) == (2, True)
    assert third.unsettled is not None
    assert not third.unsettled.is_last


async def test_a_lease_that_was_lost_settles_nothing(
    house: House, neighbour: House
) -> None:
    await records_of(house).keep(ORDER)
    lost = await leased(queue_of(house))
    await kill(house)
    ours = await leased(queue_of(neighbour))

    await lost.settle(FAILED)

    assert (await records_of(house).get(PROFILE, ORDER.id)).state is RunState.RUNNING
    await ours.settle(Done())
    assert (await records_of(house).get(PROFILE, ORDER.id)).state is RunState.DONE


async def test_a_process_that_was_asleep_takes_nothing_again_that_it_is_at_work_on(
    house: House, neighbour: House
) -> None:
    await records_of(house).keep(ORDER)
    queue = queue_of(house)
    async with queue.renewed():
        asleep = await leased(queue)
        await kill(house)

        assert await is_idle(queue, house.clock)
        await renew(queue, house.clock)
        assert await asleep.still_held()
        assert await is_idle(queue_of(neighbour), neighbour.clock)


async def test_what_a_process_has_lost_is_lent_to_it_again_when_its_lane_has_ended(
    house: House, neighbour: House
) -> None:
    await records_of(house).keep(ORDER)
    queue = queue_of(house)
    async with queue.renewed():
        lost = await leased(queue)
        await kill(house)
        await leased(queue_of(neighbour))
        await renew(queue, house.clock)
        await kill(house)

        assert await is_idle(queue, house.clock)
        await lost.settle(Done())
        again = await leased(queue)
        await renew(queue, house.clock)
        await again.settle(Done())

    run = await records_of(house).get(PROFILE, ORDER.id)
    assert (run.state, run.attempts) == (RunState.DONE, 3)


async def test_what_is_on_loan_at_the_end_is_given_back_at_once(
    house: House, neighbour: House
) -> None:
    await records_of(house).keep(ORDER)
    queue = queue_of(house)
    async with queue.renewed():
        await leased(queue)
    house.clock.advance(SECOND)

    assert (await leased(queue_of(neighbour))).repeats


async def test_a_row_that_cannot_be_read_ends_and_hides_no_other(house: House) -> None:
    await records_of(house).keep(replace(ORDER, id="0" * 24))
    await house.break_in("UPDATE runs SET variables = 'no JSON'")
    await records_of(house).keep(ORDER)

    lease = await leased(queue_of(house))

    assert lease.trigger.id == ORDER.id
    assert await house.look(
        "SELECT id FROM runs WHERE state = 'failed' AND ended_at IS NOT NULL"
    ) == [("0" * 24,)]
    assert len(await records_of(house).list(PROFILE, ANALYSIS, RunPage())) == 1


async def test_what_ended_long_ago_is_forgotten_and_nothing_else(house: House) -> None:
    records = records_of(house)
    for number in range(3):
        await records.keep(replace(ORDER, id=f"{number}" * 24))
    queue = queue_of(house)
    for _ in range(2):
        await (await leased(queue)).settle(Done())
    await house.break_in(
        "UPDATE runs SET ended_at = '2001-01-01 00:00:00' WHERE id LIKE '000%'"
    )

    assert await records.forget()
    assert not await records.forget()

    left = await records.list(PROFILE, ANALYSIS, RunPage())
    assert [run.order.id[0] for run in left] == ["2", "1"]
    assert [run.state for run in left] == [RunState.WAITING, RunState.DONE]
