import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.worker import Worker
from keyrelay.model.audit import AttemptIdentity, Report
from keyrelay.model.dead_letter import DeadLetter
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import (
    LEASE_LOST,
    Deferred,
    Delivered,
    Fault,
    ReasonClass,
    Rejected,
    Uncertain,
)
from keyrelay.model.recorded import CutLeases, RecordedAttempt
from keyrelay.model.settlement import Bury, Done, Schedule, Settlement, TryAgain
from keyrelay.ports import Lease, LeaveLane, Unavailable
from tests.fakes import Clock, FakeAuditLog, FakeDeadLetters, FakeLease, Story
from tests.samples import MAIL_ACTION, NOON, PROFILE, a_trigger

SECOND = timedelta(seconds=1)
PATIENT = timedelta(minutes=1)
NO_GRACE = timedelta()
CANARY = "canary-7f3a"
DELIVERED = Report(outcome=Delivered("ok"))
REJECTED = Report(outcome=Rejected("no such action", Fault.DEFINITION))
HELD = Report(
    outcome=Deferred("paused", SECOND, spends_attempt=False, waits_for="s"), held=True
)
LOST = Report(outcome=LEASE_LOST, lost=True)


@dataclass
class ScriptedQueue:
    """A queue that lends what it was given; then it is drained, or waits."""

    leases: list[FakeLease]
    drains: bool = True
    down: bool = False
    waited_for: asyncio.Event = field(default_factory=asyncio.Event)

    async def lease(self, until: asyncio.Event) -> Lease | None:
        if self.down:
            raise Unavailable("the queue does not answer")
        if self.leases:
            return self.leases.pop(0)
        if not self.drains:
            self.waited_for.set()
            await until.wait()
        return None


@dataclass
class Harness:
    """A worker with its collaborators."""

    ids: str = "a"
    lanes: int = 1
    story: Story = field(default_factory=Story)
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    report: Callable[[], Awaitable[Report]] | None = None
    queue: ScriptedQueue = field(init=False)
    audit: FakeAuditLog = field(init=False)
    dead_letters: FakeDeadLetters = field(init=False)
    leases: dict[str, FakeLease] = field(init=False)
    leaves: dict[str, LeaveLane] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.leases = {
            id_: FakeLease(trigger=a_trigger(id_=id_), story=self.story)
            for id_ in self.ids
        }
        self.queue = ScriptedQueue([*self.leases.values()])
        self.audit = FakeAuditLog(self.story)
        self.dead_letters = FakeDeadLetters(self.story)

    def worker(self) -> Worker:
        return Worker(
            queue=self.queue,
            attempt=self.attempt,
            conclusion=Conclusion(
                audit=self.audit,
                dead_letters=self.dead_letters,
                world=self.clock.world(),
            ),
            lanes=self.lanes,
            world=self.clock.world(),
        )

    async def attempt(self, lease: Lease, leave: LeaveLane) -> Report:
        self.leaves[lease.trigger.id] = leave
        self.story.tell(f"attempt {lease.trigger.id}")
        return await self.report() if self.report else DELIVERED

    async def run(self, grace: timedelta = PATIENT) -> None:
        await self.worker().run(self.stop, grace)

    def settlements(self) -> list[object]:
        return [s for lease in self.leases.values() for s in lease.settlements]


def always(report: Report) -> Callable[[], Awaitable[Report]]:
    async def answer() -> Report:
        return report

    return answer


# The order of record, dead letter and settlement


async def test_every_attempt_is_recorded_before_it_is_settled() -> None:
    harness = Harness("ab")

    await harness.run()

    assert harness.story.events == [
        *("attempt a", "record a", "settle a"),
        *("attempt b", "record b", "settle b"),
    ]
    assert harness.settlements() == [Done(), Done()]


async def test_a_letter_is_written_before_its_trigger_is_settled() -> None:
    harness = Harness("a", report=always(REJECTED))

    await harness.run()

    assert harness.story.events == ["attempt a", "record a", "bury a", "settle a"]


async def test_a_record_says_all_about_the_attempt() -> None:
    harness = Harness("a")
    harness.leases["a"].number, harness.leases["a"].repeats = 3, True

    async def slow() -> Report:
        harness.clock.advance(SECOND)
        return DELIVERED

    harness.report = slow
    await harness.run()

    (record,) = harness.audit.records
    assert record.attempt == AttemptIdentity(
        profile=PROFILE,
        trigger="a",
        action=MAIL_ACTION,
        number=3,
        repeats=True,
        started_at=NOON,
    )
    assert (record.id, record.at) == ("9" * 24, NOON + SECOND)
    assert (record.report, record.settlement) == (DELIVERED, Done())


async def test_a_letter_says_all_about_the_burial() -> None:
    harness = Harness("a", report=always(REJECTED))
    harness.leases["a"].number, harness.leases["a"].done = 3, frozenset({"0"})

    await harness.run()

    burial = Bury(
        reason="no such action", fault=Fault.DEFINITION, done=frozenset({"0"})
    )
    assert harness.settlements() == [burial]
    assert harness.dead_letters.letters == [
        DeadLetter(
            trigger=harness.leases["a"].trigger,
            settlement=burial,
            attempts=3,
            buried_at=NOON,
        )
    ]


async def test_the_schedule_is_the_reports_and_the_jitter_the_worlds() -> None:
    schedule = Schedule(attempts=3, first=8 * SECOND, longest=60 * SECOND)
    report = Report(outcome=Uncertain("silence"), schedule=schedule)
    harness = Harness("a", report=always(report))
    harness.leases["a"].number, harness.clock.chance = 2, 0.25

    await harness.run()

    assert harness.settlements() == [TryAgain(after=4 * SECOND)]


async def test_a_trigger_that_was_tried_too_often_is_buried() -> None:
    harness = Harness("a", report=always(Report(outcome=Uncertain("silence"))))
    harness.leases["a"].number = 11

    await harness.run()

    assert harness.settlements() == [Bury(reason="silence", fault=Fault.SYSTEM)]


# What is held back


async def test_what_is_held_back_leaves_no_record() -> None:
    harness = Harness("a", report=always(HELD))

    await harness.run()

    assert harness.story.events == ["attempt a", "settle a"]
    assert harness.settlements() == [
        TryAgain(after=1.125 * SECOND, spent=False, waits_for="s")
    ]


async def test_what_is_held_back_beyond_its_deadline_is_recorded_and_buried() -> None:
    harness = Harness("a", report=always(HELD))
    lifetime = Lifetime(raised_at=NOON, deadline=NOON + SECOND / 2)
    harness.leases["a"].trigger = replace(
        harness.leases["a"].trigger, lifetime=lifetime
    )

    await harness.run()

    assert harness.story.events == ["attempt a", "record a", "bury a", "settle a"]
    assert (
        harness.audit.records[0].settlement
        == harness.dead_letters.letters[0].settlement
    )


async def test_what_was_lost_is_not_recorded_nor_buried_even_beyond_its_deadline() -> (
    None
):
    harness = Harness("a", report=always(LOST))
    lifetime = Lifetime(raised_at=NOON, deadline=NOON - SECOND)
    harness.leases["a"].trigger = replace(
        harness.leases["a"].trigger, lifetime=lifetime
    )

    await harness.run()

    assert harness.story.events == ["attempt a", "settle a"]
    assert harness.settlements() == [TryAgain(after=SECOND, spent=False)]


async def test_what_is_unavailable_during_an_attempt_spends_none() -> None:
    async def unavailable() -> Report:
        raise Unavailable("the vault is sealed")

    harness = Harness("a", report=unavailable)

    await harness.run()

    assert harness.story.events == ["attempt a", "settle a"]
    assert harness.settlements() == [TryAgain(after=1.125 * SECOND, spent=False)]


# What is unavailable stops the work with a log line, until it answers again


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        vars(record)["reason"]
        for record in caplog.records
        if record.message == "work is stopped" and record.levelno == logging.ERROR
    ]


async def test_nothing_is_settled_while_the_audit_log_is_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("abc", lanes=2)
    harness.audit.down = True
    run = asyncio.create_task(harness.run())
    for _ in range(harness.lanes):
        await harness.audit.refused.get()
    for _ in range(3):
        await harness.clock.pass_time(SECOND)

    assert harness.story.events == ["attempt a", "attempt b"]
    assert harness.audit.refused.qsize() == 2 * 3, "each lane tries every second"
    assert complaints(caplog) == ["the audit log does not answer"]

    harness.audit.down = False
    harness.clock.advance(SECOND)
    await run

    assert harness.settlements() == [Done()] * 3
    assert len(harness.audit.records) == 3
    assert harness.story.events.count("attempt a") == 1
    assert caplog.records[-1].message == "work goes on"


async def test_nothing_is_settled_while_the_dead_letters_are_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("a", report=always(REJECTED))
    harness.dead_letters.down = True
    run = asyncio.create_task(harness.run())
    await harness.clock.until_asleep()

    assert harness.story.events == ["attempt a", "record a"]
    assert complaints(caplog) == ["the dead letters do not answer"]

    harness.dead_letters.down = False
    harness.clock.advance(SECOND)
    await run

    assert harness.story.events == ["attempt a", "record a", "bury a", "settle a"]


async def test_a_settlement_waits_for_the_queue_without_a_second_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("a")
    harness.leases["a"].down = True
    run = asyncio.create_task(harness.run())
    await harness.clock.until_asleep()

    assert complaints(caplog) == ["the queue does not answer"]

    harness.leases["a"].down = False
    harness.clock.advance(SECOND)
    await run

    assert harness.story.events == ["attempt a", "record a", "settle a"]


async def test_an_unavailable_queue_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("a")
    harness.queue.down = True
    run = asyncio.create_task(harness.run())
    await harness.clock.until_asleep()

    assert complaints(caplog) == ["the queue does not answer"]
    assert harness.story.events == []

    harness.queue.down = False
    harness.clock.advance(SECOND)
    await run

    assert harness.settlements() == [Done()]


async def test_stopping_does_not_wait_for_an_unavailable_queue() -> None:
    harness = Harness("a")
    harness.queue.down = True
    run = asyncio.create_task(harness.run())
    await harness.clock.until_asleep()

    harness.stop.set()
    harness.clock.advance(SECOND)
    await run

    assert harness.story.events == []


async def test_after_grace_an_unavailable_audit_log_is_not_waited_for() -> None:
    harness = Harness("a")
    harness.audit.down = True
    run = asyncio.create_task(harness.run(NO_GRACE))
    await harness.clock.until_asleep()

    harness.stop.set()
    await run

    assert harness.story.events == ["attempt a"]


# Bugs


async def blunder() -> Report:
    password = CANARY
    raise TypeError(f"cannot send {password}") from ValueError(password)


def everything_logged(caplog: pytest.LogCaptureFixture) -> str:
    lines = [logging.Formatter().format(record) for record in caplog.records]
    return "\n".join(lines + [str(vars(record)) for record in caplog.records])


async def test_a_bug_in_an_attempt_is_an_uncertain_outcome() -> None:
    harness = Harness("ab", report=blunder)

    await harness.run()

    outcomes = [record.report.outcome for record in harness.audit.records]
    bug = Uncertain("internal error: TypeError", why=ReasonClass.INTERNAL)
    assert outcomes == [bug] * 2
    assert harness.settlements() == [TryAgain(after=2.5 * SECOND)] * 2


async def test_a_bug_is_logged_with_its_frames_and_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("a", report=blunder)

    await harness.run()

    (record,) = caplog.records
    assert (record.message, record.levelno) == ("attempt failed", logging.ERROR)
    logged = everything_logged(caplog)
    assert all(word in logged for word in ("TypeError", "in blunder", "'trigger': 'a'"))
    assert CANARY not in logged
    assert CANARY not in str(harness.audit.records)
    assert record.exc_info is None


async def test_a_cancelled_lane_ends_the_worker() -> None:
    harness = Harness("abc", lanes=2)
    first = asyncio.Event()

    async def endless_then_cut() -> Report:
        if not first.is_set():
            first.set()
            await asyncio.Event().wait()
        raise asyncio.CancelledError

    harness.report = endless_then_cut

    with pytest.raises(asyncio.CancelledError):
        await harness.run()

    assert harness.settlements() == []
    assert [lease.trigger.id for lease in harness.queue.leases] == ["c"]


@dataclass
class BrokenAuditLog(FakeAuditLog):
    async def append(self, record: object) -> None:
        raise RuntimeError("a bug of ours")


async def test_an_unforeseen_error_ends_all_lanes() -> None:
    harness = Harness("abc", lanes=2)
    first = asyncio.Event()

    async def endless_then_delivered() -> Report:
        if not first.is_set():
            first.set()
            await asyncio.Event().wait()
        return DELIVERED

    harness.report = endless_then_delivered
    harness.audit = BrokenAuditLog(harness.story)

    with pytest.raises(ExceptionGroup) as ending:
        await harness.run()

    assert [repr(error) for error in ending.value.exceptions] == [
        "RuntimeError('a bug of ours')"
    ]
    assert harness.settlements() == []


# Beginning and ending


async def test_a_drained_queue_ends_the_work() -> None:
    harness = Harness("abcde", lanes=3)

    await harness.run()

    assert len(harness.settlements()) == 5
    assert not harness.stop.is_set()


async def test_a_worker_that_is_stopped_before_it_begins_begins_nothing() -> None:
    harness = Harness("a")
    harness.stop.set()

    await harness.run()

    assert harness.story.events == []


async def test_stopping_ends_a_worker_that_waits_for_triggers() -> None:
    harness = Harness("", lanes=3)
    harness.queue.drains = False
    run = asyncio.create_task(harness.run(NO_GRACE))
    await harness.queue.waited_for.wait()

    harness.stop.set()

    await run


async def test_stopping_finishes_what_was_started_and_starts_no_more() -> None:
    harness = Harness("ab")
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow() -> Report:
        started.set()
        await finish.wait()
        return DELIVERED

    harness.report = slow
    run = asyncio.create_task(harness.run())
    await started.wait()
    harness.stop.set()
    finish.set()
    await run

    assert harness.story.events == ["attempt a", "record a", "settle a"]
    assert [lease.trigger.id for lease in harness.queue.leases] == ["b"]


async def test_after_grace_what_is_unfinished_is_cut_and_not_settled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = Harness("ab", lanes=2)
    all_started, cut = asyncio.Barrier(3), []

    async def endless() -> Report:
        await all_started.wait()
        try:
            await asyncio.Event().wait()
        finally:
            cut.append("cut")
        raise AssertionError

    harness.report = endless
    run = asyncio.create_task(harness.run(NO_GRACE))
    await all_started.wait()
    assert not run.done()

    harness.stop.set()
    await run

    assert cut == ["cut", "cut"]
    assert sorted(harness.story.events) == ["attempt a", "attempt b"]
    assert [r.message for r in caplog.records] == [
        "grace is over; unfinished leases go back"
    ]


async def test_cancelling_a_worker_cuts_its_lanes() -> None:
    harness = Harness("a")
    started = asyncio.Event()

    async def endless() -> Report:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    harness.report = endless
    run = asyncio.create_task(harness.run())
    await started.wait()

    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        await run
    assert harness.story.events == ["attempt a"]


async def test_as_many_attempts_run_at_once_as_there_are_lanes() -> None:
    together, running = asyncio.Barrier(3), [0]

    async def counted() -> Report:
        running.append(running[-1] + 1)
        await together.wait()
        running.append(running[-1] - 1)
        return DELIVERED

    harness = Harness("abcdefghi", lanes=3, report=counted)

    async with asyncio.timeout(30):
        await harness.run()

    assert max(running) == 3
    assert len(harness.settlements()) == 9


# A lease that follows one which ended unsettled


UNSETTLED = CutLeases(since=NOON, is_last=True)


def on_record(settlement: Settlement) -> RecordedAttempt:
    return RecordedAttempt(started_at=NOON, ended_at=NOON, settlement=settlement)


def cut_harness(*settlements: Settlement) -> Harness:
    harness = Harness("a")
    harness.leases["a"].number, harness.leases["a"].unsettled = 2, UNSETTLED
    harness.audit.history = [on_record(settlement) for settlement in settlements]
    return harness


@pytest.mark.parametrize(
    "settlement",
    [
        Done(),
        Bury(reason="no", fault=Fault.TRIGGER, done=frozenset({"b"})),
        TryAgain(after=SECOND, spent=False),
    ],
    ids=["done", "buried", "try again"],
)
async def test_a_cut_lease_that_is_on_record_is_settled_by_it_and_not_attempted(
    settlement: Settlement,
) -> None:
    harness = cut_harness(settlement)

    await harness.run()

    assert harness.settlements() == [settlement]
    assert "attempt a" not in harness.story.events
    assert not harness.audit.records
    buried = isinstance(settlement, Bury)
    assert len(harness.dead_letters.letters) == buried


async def test_a_cut_lease_that_is_not_on_record_is_attempted() -> None:
    harness = cut_harness()

    await harness.run()

    assert harness.story.events == ["ask about a", "attempt a", "record a", "settle a"]


async def test_a_record_of_before_its_redrive_says_nothing() -> None:
    harness = cut_harness(Bury(reason="no", fault=Fault.TRIGGER))
    harness.leases["a"].unsettled = CutLeases(since=NOON + SECOND, is_last=True)

    await harness.run()

    assert "attempt a" in harness.story.events


async def test_a_cut_lease_waits_until_the_trail_answers() -> None:
    harness = cut_harness(Done())
    harness.audit.down = True
    running = asyncio.create_task(harness.run())
    await harness.clock.until_asleep()
    assert not harness.settlements()

    harness.audit.down = False
    harness.clock.advance(SECOND)
    await running

    assert harness.settlements() == [Done()]


# Attempts that leave their lane


@dataclass
class Silence:
    """Peers of which those of `mute` triggers answer when `over` is set, if at all."""

    harness: Harness
    mute: str
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def report(self) -> Report:
        (*_, last) = self.harness.leaves
        if last in self.mute:
            self.harness.leaves[last]()
            await self.over.wait()
        return DELIVERED


def silent(harness: Harness, mute: str) -> Silence:
    silence = Silence(harness, mute)
    harness.report = silence.report
    return silence


async def test_an_attempt_that_leaves_its_lane_holds_up_no_other() -> None:
    harness = Harness("abcd")
    harness.queue.drains = False
    silence = silent(harness, "ac")
    run = asyncio.create_task(harness.run())

    await harness.queue.waited_for.wait()
    settled = [event for event in harness.story.events if event.startswith("settle")]
    silence.over.set()
    harness.stop.set()
    await run

    assert settled == ["settle b", "settle d"]
    assert harness.settlements() == [Done()] * 4


async def test_an_attempt_without_a_lane_is_recorded_before_it_is_settled() -> None:
    harness = Harness("a")
    silence = silent(harness, "a")
    silence.over.set()

    await harness.run()

    assert harness.story.events == ["attempt a", "record a", "settle a"]
    assert harness.settlements() == [Done()]


async def test_lanes_that_were_left_are_as_many_again_and_no_more() -> None:
    harness = Harness("abcdefgh", lanes=2)
    silence = silent(harness, "ab")
    under_way, most = 0, 0

    async def counted() -> Report:
        nonlocal under_way, most
        (*_, last) = harness.leaves
        if last in silence.mute:
            return await silence.report()
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if last == "h":
            silence.over.set()
        return DELIVERED

    harness.report = counted
    await harness.run()

    assert most == 2
    assert len(harness.settlements()) == 8


async def test_a_stopping_worker_waits_for_an_attempt_without_a_lane() -> None:
    harness = Harness("a")
    harness.queue.drains = False
    silence = silent(harness, "a")
    run = asyncio.create_task(harness.run())
    await harness.queue.waited_for.wait()

    harness.stop.set()
    await asyncio.sleep(0)
    silence.over.set()
    await run

    assert harness.settlements() == [Done()]


async def test_an_attempt_without_a_lane_that_outlives_the_grace_goes_back() -> None:
    harness = Harness("ab")
    harness.queue.drains = False
    silent(harness, "a")
    run = asyncio.create_task(harness.run(NO_GRACE))
    await harness.queue.waited_for.wait()

    harness.stop.set()
    await run

    assert harness.leases["a"].settlements == []
    assert harness.leases["b"].settlements == [Done()]


async def test_a_lane_in_the_place_of_one_that_was_left_ends_the_worker_if_cut() -> (
    None
):
    harness = Harness("ab")

    async def left_then_cut() -> Report:
        (*_, last) = harness.leaves
        if last == "a":
            harness.leaves[last]()
            await asyncio.Event().wait()
        raise asyncio.CancelledError

    harness.report = left_then_cut

    with pytest.raises(asyncio.CancelledError):
        await harness.run()

    assert harness.settlements() == []
