"""Schedules: what is due is fired once, whatever processes there are and are not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from keyrelay.model.lifetime import STANDARD_LIFETIME
from keyrelay.model.run import ListedRun, RunOrigin
from keyrelay.model.trigger import Trigger
from keyrelay.ports import Unavailable
from keyrelay.services.scheduling.scheduler import LOOK, Scheduler
from keyrelay.stores.runs.records import RunPage, RunRecords
from keyrelay.stores.schedules import Schedules
from tests.contract.stores.house import ADA, House, mail_action
from tests.samples import NOON, PROFILE

MINUTE = timedelta(minutes=1)
EVERY_FIVE = {"type": "interval", "trigger": [{"interval": "5 minutes"}]}
BOILER: dict[str, object] = {
    "name": "boiler",
    "run_on": "external",
    "interval": "5 minutes",
}


@dataclass
class Inbox:
    """Takes triggers once, as queues do; `killed` ends the process after the next."""

    accepted: dict[str, Trigger] = field(default_factory=dict)
    killed: bool = False

    async def accept(self, trigger: Trigger) -> bool:
        known = trigger.id in self.accepted
        self.accepted.setdefault(trigger.id, trigger)
        if self.killed:
            raise Unavailable("killed")
        return not known


def scheduler_in(house: House, inbox: Inbox) -> Scheduler:
    return Scheduler(
        catalog=house.catalog.current,
        schedules=Schedules(database=house.database),
        accept=inbox.accept,
        world=house.audit_log.world,
    )


@dataclass(frozen=True, kw_only=True)
class Process:
    """A worker's scheduler, which looks when it is told to."""

    house: House
    inbox: Inbox
    scheduler: Scheduler

    async def look(self, after: timedelta = timedelta()) -> None:
        self.house.clock.advance(after)
        await self.house.catalog.refresh()
        await self.scheduler.look()

    def restarted(self) -> "Process":
        scheduler = scheduler_in(self.house, self.inbox)
        return Process(house=self.house, inbox=self.inbox, scheduler=scheduler)

    @property
    def fired(self) -> list[str]:
        return [*self.inbox.accepted]

    async def runs(self, analysis: str) -> Sequence[ListedRun]:
        records = RunRecords(
            database=self.house.database, world=self.house.audit_log.world
        )
        return await records.list(PROFILE, analysis, RunPage())


def process_in(house: House, inbox: Inbox | None = None) -> Process:
    inbox = inbox or Inbox()
    scheduler = scheduler_in(house, inbox)
    return Process(house=house, inbox=inbox, scheduler=scheduler)


@pytest.fixture
def process(house: House) -> Process:
    return process_in(house)


async def new_action(house: House, **more: object) -> str:
    document = {**mail_action(await house.new_secret()), **EVERY_FIVE, **more}
    return (await house.actions.create(PROFILE, document, ADA)).id


async def new_analysis(house: House, **more: object) -> str:
    return (await house.analyses.documents.create(PROFILE, {**BOILER, **more}, ADA)).id


async def end_runs(house: House) -> None:
    await house.break_in("UPDATE runs SET state = 'failed'")


def trigger_id(action: str, due: datetime) -> str:
    return f"schedule-{action}-{due:%Y%m%dT%H%M%SZ}"


async def test_an_action_is_fired_each_time_that_its_interval_has_passed(
    process: Process,
) -> None:
    action = await new_action(process.house)
    await process.look()
    await process.look(5 * MINUTE - LOOK)
    assert process.fired == []

    await process.look(LOOK)
    await process.look()
    await process.look(LOOK)
    await process.look(5 * MINUTE - LOOK)

    first, second = NOON + 5 * MINUTE, NOON + 10 * MINUTE
    assert process.fired == [trigger_id(action, first), trigger_id(action, second)]
    trigger = process.inbox.accepted[trigger_id(action, first)]
    assert (trigger.profile, trigger.action, trigger.data) == (PROFILE, action, ())
    assert trigger.lifetime.raised_at == first
    assert trigger.lifetime.deadline == first + STANDARD_LIFETIME


async def test_an_action_is_fired_by_the_clocks_of_its_time_zone(
    process: Process,
) -> None:
    berlin = [{"cron": "30 2 * * *", "timezone": "Europe/Berlin"}]
    # In the night to 31 March 2030, clocks there go from 2 to 3 o'clock.
    process.house.clock.time = datetime(2030, 3, 30, 0, tzinfo=UTC)
    action = await new_action(process.house, type="schedule", trigger=berlin)
    await process.look()

    for _ in range(3 * 24 * 60 // 10):
        await process.look(10 * MINUTE)

    assert process.fired == [
        trigger_id(action, datetime(2030, 3, 30, 1, 30, tzinfo=UTC)),
        trigger_id(action, datetime(2030, 3, 31, 1, 0, tzinfo=UTC)),
        trigger_id(action, datetime(2030, 4, 1, 0, 30, tzinfo=UTC)),
    ]


async def test_an_analysis_is_run_each_time_that_its_interval_has_passed(
    process: Process,
) -> None:
    analysis = await new_analysis(process.house)
    await process.look()

    await process.look(5 * MINUTE)
    await end_runs(process.house)
    await process.look(5 * MINUTE)

    second, first = await process.runs(analysis)
    assert second.order.id > first.order.id
    assert first.order.cause.origin is RunOrigin.SCHEDULE
    assert first.order.cause.asked_at == NOON + 5 * MINUTE
    assert first.order.scope == "[]"


async def test_while_a_run_has_not_ended_no_other_is_piled_up(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    analysis = await new_analysis(process.house)
    await process.look()

    for _ in range(3):
        await process.look(5 * MINUTE)
    piled_up = len(await process.runs(analysis))
    await end_runs(process.house)
    await process.look(5 * MINUTE)

    assert piled_up == 1
    assert caplog.text.count("due time passed over") == 2
    assert len(await process.runs(analysis)) == 2


async def test_of_several_processes_one_fires(house: House, neighbour: House) -> None:
    one = process_in(house)
    other = process_in(neighbour, one.inbox)
    action, analysis = await new_action(house), await new_analysis(house)
    for each in (one, other):
        await each.look()
    house.clock.advance(5 * MINUTE)
    await house.catalog.refresh()
    await neighbour.catalog.refresh()

    await asyncio.gather(one.scheduler.look(), other.scheduler.look())
    await asyncio.gather(one.scheduler.look(), other.scheduler.look())

    assert one.fired == [trigger_id(action, NOON + 5 * MINUTE)]
    assert len(await one.runs(analysis)) == 1


async def test_a_process_killed_before_it_marks_what_it_fired_fires_nothing_twice(
    house: House, process: Process
) -> None:
    action = await new_action(house)
    await process.look()
    process.inbox.killed = True
    with pytest.raises(Unavailable):
        await process.look(5 * MINUTE)
    process.inbox.killed = False

    await process.restarted().look(LOOK)

    assert process.fired == [trigger_id(action, NOON + 5 * MINUTE)]


async def test_where_a_run_is_not_kept_its_due_time_is_not_marked(
    house: House, process: Process
) -> None:
    analysis = await new_analysis(house)
    await process.look()
    await house.refuse_rows("runs")
    with pytest.raises(IntegrityError):
        await process.look(5 * MINUTE)
    await house.break_in(
        "ALTER TABLE runs DROP CONSTRAINT full_disk"
        if house.database.is_shared
        else "DROP TRIGGER refuse"
    )

    await process.look(LOOK)

    assert len(await process.runs(analysis)) == 1


async def test_of_the_times_that_were_missed_the_last_is_fired_once(
    process: Process,
) -> None:
    action, analysis = (
        await new_action(process.house),
        await new_analysis(process.house),
    )
    await process.look()

    await process.restarted().look(62 * MINUTE)
    await process.restarted().look(LOOK)

    assert process.fired == [trigger_id(action, NOON + 60 * MINUTE)]
    assert len(await process.runs(analysis)) == 1


async def test_what_is_new_counts_from_when_it_was_written(process: Process) -> None:
    action = await new_action(process.house)
    process.house.clock.advance(3 * MINUTE)  # nobody looks

    await process.look()
    await process.look(2 * MINUTE)

    assert process.fired == [trigger_id(action, NOON + 5 * MINUTE)]


async def test_where_its_times_change_it_counts_anew(process: Process) -> None:
    action = await new_action(process.house)
    await process.look()
    process.house.clock.advance(4 * MINUTE)
    changes = {"trigger": [{"interval": "2 minutes"}]}
    await process.house.actions.edit(PROFILE, action, changes, ADA)

    await process.look(2 * MINUTE - LOOK)
    assert process.fired == []
    await process.look(LOOK)

    assert process.fired == [trigger_id(action, NOON + 6 * MINUTE)]


async def test_another_edit_changes_no_due_time(process: Process) -> None:
    action = await new_action(process.house)
    await process.look()
    process.house.clock.advance(4 * MINUTE)
    await process.house.actions.edit(PROFILE, action, {"name": "new"}, ADA)

    await process.look(MINUTE)

    assert process.fired == [trigger_id(action, NOON + 5 * MINUTE)]


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ({"active": False}, {"active": True}),
        ({"trigger": []}, {"trigger": EVERY_FIVE["trigger"]}),
        ({"type": "condition"}, {"type": "interval"}),
    ],
    ids=["inactive", "without times", "of another type"],
)
async def test_what_is_off_is_not_fired_and_counts_anew_when_it_is_on(
    process: Process, off: dict[str, object], on: dict[str, object]
) -> None:
    action = await new_action(process.house)
    await process.look()
    await process.house.actions.edit(PROFILE, action, off, ADA)
    await process.look()
    await process.look(9 * MINUTE)
    await process.house.actions.edit(PROFILE, action, on, ADA)
    await process.look()
    await process.look(5 * MINUTE - LOOK)
    assert process.fired == []

    await process.look(LOOK)

    assert process.fired == [trigger_id(action, NOON + 14 * MINUTE)]


async def test_a_hosted_analysis_without_a_script_is_not_fired(
    process: Process,
) -> None:
    analysis = await new_analysis(process.house, run_on="tago")
    await process.look()

    await process.look(9 * MINUTE)

    assert await process.runs(analysis) == []


async def test_what_was_deleted_is_not_fired_and_leaves_no_row(
    process: Process,
) -> None:
    action, analysis = (
        await new_action(process.house),
        await new_analysis(process.house),
    )
    await process.look()
    await process.house.actions.delete(PROFILE, action, ADA)
    await process.house.analyses.documents.delete(PROFILE, analysis, ADA)

    await process.look(9 * MINUTE)

    assert process.fired == []
    assert await process.runs(analysis) == []
    assert await process.house.look("SELECT id FROM schedules") == []


async def test_what_was_put_in_or_edited_by_hand_is_not_fired(
    process: Process,
) -> None:
    action = await new_action(process.house)
    await process.house.break_in(
        "UPDATE actions SET document = replace(document, '5 minutes', '1 minute')"
    )

    await process.restarted().look(9 * MINUTE)

    assert action
    assert process.fired == []


async def test_while_nothing_can_be_published_schedules_stand_still_and_go_on(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    house, stop = process.house, asyncio.Event()
    clock, action = house.clock, await new_action(house)
    running = asyncio.create_task(process.scheduler.run(stop))
    await clock.until_asleep(LOOK)
    process.inbox.killed = True
    clock.time += 5 * MINUTE
    await house.catalog.refresh()
    clock.advance(LOOK)
    await clock.until_asleep(LOOK)
    stood_still = caplog.text
    process.inbox.killed = False
    clock.advance(LOOK)
    await clock.until_asleep(LOOK)
    stop.set()
    await running

    assert process.fired == [trigger_id(action, NOON + 5 * MINUTE)]
    assert "schedules stand still" in stood_still
    assert "schedules go on" in caplog.text
