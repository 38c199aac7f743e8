"""Runs that are tried again: what an action's `retry` asks for, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keyrelay.concurrency.background import background
from keyrelay.dispatchers.script.asking import RunAsking
from keyrelay.model.analysis import ScriptedAnalysis
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import Delivered, Fault, Outcome, ReasonClass, Rejected
from keyrelay.model.release import HOSTED, ReleasedRun, RunPlace
from keyrelay.model.run import ListedRun, RunOrder, RunResult, RunState
from keyrelay.model.run_analyses import WantedRuns
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.ports import StillHeld
from keyrelay.services.run_documents import run_document
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.runs.queue import POLL, RunQueue
from keyrelay.stores.runs.records import RunPage
from tests.contract.stores.house import ADA, House
from tests.contract.stores.run_working import worker_of
from tests.contract.stores.test_runs import CENTURY, is_idle, queue_of, records_of
from tests.samples import NOON, PROFILE, a_trigger

PATIENT = timedelta(minutes=1)
SCRIPT = ScriptDraft(file_name="main.py", language=Runtime.PYTHON, content=b"print(1)")
# A server's own clock must not bring what is due while the test looks at it.
RETRY = {"attempts": 3, "first_seconds": 3_600, "longest_seconds": 7_200}
WELL, BADLY = "The script ended well.", "The script ended with exit code 3."


@dataclass
class Stage:
    """ports.RunStage: scripts end badly as often as `failures` of their analysis says.

    `ran` are the analyses of the scripts that ran, in their order.
    """

    queue: RunQueue
    failures: dict[str, int]
    ran: list[str] = field(default_factory=list)

    async def place(self, _: RunOrder, __: ScriptedAnalysis) -> RunPlace:
        return HOSTED

    async def perform(self, run: ReleasedRun, _: RunPlace, __: StillHeld) -> Outcome:
        id_ = run.order.analysis
        self.ran.append(id_)
        fails = self.ran.count(id_) <= self.failures.get(id_, 0)
        self.queue.note(run.order.id, RunResult(sentence=BADLY if fails else WELL))
        if fails:
            return Rejected(BADLY, Fault.DEFINITION, why=ReasonClass.SCRIPT)
        return Delivered(WELL)


async def new_analysis(house: House, name: str) -> str:
    id_ = id_of(await house.analyses.documents.create(PROFILE, {"name": name}, ADA))
    await house.analyses.upload(PROFILE, id_, SCRIPT, ADA)
    return id_


async def asked_for(house: House, analyses: Sequence[str], retry: object) -> str:
    """Have a trigger of an action ask for a run of each; return the action's id."""
    does = {"type": "script", "script": [*analyses]}
    document = {"name": "watch", "action": does, "retry": retry}
    id_ = (await house.actions.create(PROFILE, document, ADA)).id
    await house.catalog.refresh()
    catalog = house.catalog.current()
    lifetime = Lifetime(raised_at=NOON - CENTURY / 10, deadline=NOON + CENTURY)
    trigger = replace(a_trigger(action=id_), lifetime=lifetime)
    wanted = WantedRuns(trigger=trigger, analyses=(*analyses,), scope="[]")

    def long_ago() -> datetime:
        return lifetime.raised_at

    asking = RunAsking(keep=records_of(house).keep_all, now=long_ago)
    await asking.ask(wanted, catalog.actions[PROFILE, id_], catalog)
    return id_


@asynccontextmanager
async def at_work(house: House, queue: RunQueue, stage: Stage) -> AsyncIterator[None]:
    """Give the house once its worker has nothing left to do; then stop it."""
    stop = asyncio.Event()
    working = worker_of(house, queue, stage).run(stop, PATIENT)
    async with background(working) as ended:
        await house.clock.until_asleep(POLL)
        yield
        stop.set()
        await ended


async def have_time_pass(house: House) -> None:
    """Have all that waits be due, also by a server's own clock."""
    await house.break_in("UPDATE runs SET due_at = '2001-01-01 00:00:00'")


async def run_of(house: House, analysis: str) -> ListedRun:
    (run,) = await records_of(house).list(PROFILE, analysis, RunPage())
    return run


async def lines_of(house: House, analysis: str) -> Sequence[str]:
    return (await house.consoles.lines(PROFILE, [analysis]))[analysis]


async def test_a_retry_runs_only_what_is_not_done(house: House) -> None:
    well, badly = [await new_analysis(house, name) for name in ("attic", "boiler")]
    await asked_for(house, [well, badly], RETRY)
    queue = queue_of(house)
    stage = Stage(queue, failures={badly: 1})

    async with at_work(house, queue, stage):
        first = sorted(stage.ran)
    await have_time_pass(house)
    async with at_work(house, queue, stage):
        pass

    assert first == sorted([well, badly])
    assert stage.ran[2:] == [badly]
    ended = [await run_of(house, each) for each in (well, badly)]
    assert [(run.state, run.attempts) for run in ended] == [
        (RunState.DONE, 1),
        (RunState.DONE, 2),
    ]


async def test_a_run_that_is_tried_again_says_when_and_how_it_ended_before(
    house: House,
) -> None:
    badly = await new_analysis(house, "boiler")
    await asked_for(house, [badly], RETRY)
    queue = queue_of(house)

    async with at_work(house, queue, Stage(queue, failures={badly: 1})):
        run = await run_of(house, badly)

    assert (run.state, run.attempts) == (RunState.WAITING, 1)
    assert run.result == RunResult(sentence=BADLY)
    assert run.times.started_at is not None
    assert run.times.due is not None
    assert run.times.due - run.times.started_at >= timedelta(minutes=30)
    document = run_document(run)
    assert (document["attempts"], document["state"]) == (1, "waiting")
    assert str(document["due"]).endswith("Z")
    assert await lines_of(house, badly) == ["The run is tried again in 1800 s."]
    assert await is_idle(queue, house.clock)


async def test_a_run_fails_once_its_action_asks_for_no_further_attempt(
    house: House,
) -> None:
    badly = await new_analysis(house, "boiler")
    action = await asked_for(house, [badly], RETRY)
    queue = queue_of(house)
    stage = Stage(queue, failures={badly: 9})

    async with at_work(house, queue, stage):
        pass
    await house.actions.edit(PROFILE, action, {"retry": {"attempts": 2}}, ADA)
    await house.catalog.refresh()
    await have_time_pass(house)
    async with at_work(house, queue, stage):
        run = await run_of(house, badly)

    assert stage.ran == [badly, badly]
    assert (run.state, run.attempts) == (RunState.FAILED, 2)
    assert (run.result, run.times.due) == (RunResult(sentence=BADLY), None)
    assert len(await lines_of(house, badly)) == 1
    settled = "SELECT count(*) FROM audit_records WHERE kind = 'attempt'"
    assert await house.look(settled) == [(2,)]


async def test_without_retry_a_run_is_attempted_once(house: House) -> None:
    badly = await new_analysis(house, "boiler")
    await asked_for(house, [badly], None)
    queue = queue_of(house)
    stage = Stage(queue, failures={badly: 9})

    async with at_work(house, queue, stage):
        run = await run_of(house, badly)

    assert stage.ran == [badly]
    assert (run.state, run.attempts) == (RunState.FAILED, 1)
    assert await lines_of(house, badly) == []
