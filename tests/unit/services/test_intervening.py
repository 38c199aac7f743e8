"""Intervening: what a person changes is on record, and no crash tells a lie."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyrelay.model.backlog import (
    QueueEntry,
    QueueQuery,
    TriggerState,
)
from keyrelay.model.intervention import Act, Intervened
from keyrelay.ports import Unavailable
from keyrelay.services.audit import AuditReading
from keyrelay.services.intervening import Intervening, TriggerResult
from keyrelay.sources.sqlite.queue import SqliteQueue, open_queue
from keyrelay.stores.audit.record_query import AuditQuery
from keyrelay.stores.definitions.journal import Journal
from tests.contract.queues import UntilIdle, a_world, trigger
from tests.contract.stores.house import ADA, House
from tests.fakes import Clock
from tests.samples import MAIL_ACTION, NOON, PROFILE


@dataclass(frozen=True, kw_only=True)
class Failing:
    """A queue that does not answer once a trigger is to be settled as cancelled."""

    behind: SqliteQueue

    def entries(
        self, profile: str, query: QueueQuery, after: str = ""
    ) -> AsyncIterator[QueueEntry]:
        return self.behind.entries(profile, query, after)

    async def count_unsettled(self, profile: str, most: int) -> int:
        return await self.behind.count_unsettled(profile, most)

    async def count_held(self) -> int:
        return await self.behind.count_held()

    async def intervene(
        self, act: Act, profile: str, ids: Sequence[str], note: str
    ) -> Sequence[Intervened]:
        return await self.behind.intervene(act, profile, ids, note)

    async def conclude(self, profile: str, ids: Sequence[str]) -> None:
        raise Unavailable("the queue is locked")


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[SqliteQueue]:
    world = a_world(Clock(time=NOON))
    async with open_queue(tmp_path / "queue.db", world) as queue:
        yield queue


def service(house: House, queue: SqliteQueue | Failing) -> Intervening:
    journal = Journal(audit_log=house.audit_log)
    return Intervening(queue=queue, journal=journal, trail=house.trail)


async def ask(
    house: House, queue: SqliteQueue | Failing, act: Act, *ids: str
) -> list[TriggerResult]:
    results = service(house, queue).intervene(act, PROFILE, ids, ADA)
    return [result async for result in results]


async def records(house: House, id_: str = "t1") -> list[tuple[object, object]]:
    """Return which changes are on record, the oldest first, and by whom."""
    query = AuditQuery(kind="change", trigger=id_)
    entries = await house.trail.list(PROFILE, query)
    found = [entry.document for entry in entries]
    return [(each["change"], each["actor"]) for each in found[::-1]]


async def state(queue: SqliteQueue, id_: str = "t1") -> TriggerState:
    status = await queue.status(PROFILE, id_)
    assert status is not None
    return status.state


async def test_each_change_is_on_record_with_the_person_and_the_action(
    house: House, queue: SqliteQueue
) -> None:
    await queue.accept(trigger())

    for act in (Act.HOLD, Act.RELEASE, Act.CANCEL):
        assert await ask(house, queue, act, "t1") == [TriggerResult(trigger="t1")]

    changes = ["held", "released", "cancelled"]
    assert await records(house) == [(change, ADA) for change in changes]
    (last, *_) = await house.trail.list(PROFILE, AuditQuery(trigger="t1"))
    assert last.document["detail"] == f"action {MAIL_ACTION}, attempts: 0"


async def test_what_nothing_is_done_to_leaves_no_record(
    house: House, queue: SqliteQueue
) -> None:
    await queue.accept(trigger())
    lease = await queue.lease(UntilIdle())

    said = [await ask(house, queue, act, "t1", "t2") for act in Act]

    assert await records(house) == await records(house, "t2") == []
    assert all(unknown.refusal == "there is no trigger t2" for _, unknown in said)
    late = "too late: trigger t1 is being attempted"
    refusals = [known.refusal for known, _ in said]
    assert refusals == [late, None, late, late]
    assert lease is not None


async def test_to_cancel_twice_says_so(house: House, queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    await ask(house, queue, Act.CANCEL, "t1")

    again = await ask(house, queue, Act.CANCEL, "t1")

    already = "trigger t1 is cancelled already"
    assert again == [TriggerResult(trigger="t1", remark=already)]
    assert await records(house) == [("cancelled", ADA)]


async def test_a_cancellation_is_on_record_before_it_is_settled(
    house: House, queue: SqliteQueue
) -> None:
    await queue.accept(trigger())

    with pytest.raises(Unavailable):
        await ask(house, Failing(behind=queue), Act.CANCEL, "t1")

    assert await records(house) == [("cancelled", ADA)]
    assert await state(queue) is TriggerState.CANCELLING
    assert await queue.lease(UntilIdle()) is None


async def test_a_cancellation_that_was_cut_short_goes_on_and_is_recorded_once(
    house: House, queue: SqliteQueue
) -> None:
    for id_ in ("t1", "t2"):
        await queue.accept(trigger(id_))
    with pytest.raises(Unavailable):
        await ask(house, Failing(behind=queue), Act.CANCEL, "t1")
    # As if a crash had come before the record.
    await queue.intervene(Act.CANCEL, PROFILE, ["t2"], "")

    await ask(house, queue, Act.CANCEL, "t1", "t2")

    for id_ in ("t1", "t2"):
        assert await state(queue, id_) is TriggerState.CANCELLED
        assert await records(house, id_) == [("cancelled", ADA)]


async def test_a_cancellation_that_was_cut_short_can_only_be_ended(
    house: House, queue: SqliteQueue
) -> None:
    await queue.accept(trigger())
    await queue.intervene(Act.CANCEL, PROFILE, ["t1"], "")

    (said,) = await ask(house, queue, Act.RELEASE, "t1")

    ends = "`keyrelay trigger cancel` ends that"
    assert said.refusal == f"trigger t1 is half cancelled; {ends}"


async def test_what_is_held_is_not_hurried(house: House, queue: SqliteQueue) -> None:
    await queue.accept(trigger())
    await ask(house, queue, Act.HOLD, "t1")

    (said,) = await ask(house, queue, Act.RETRY, "t1")

    frees = "`keyrelay trigger release` frees it"
    assert said.refusal == f"trigger t1 is held; {frees}"


async def test_an_attempt_that_was_cut_short_is_on_record_when_cancelled(
    house: House, queue: SqliteQueue, tmp_path: Path
) -> None:
    await queue.accept(trigger())
    lease = await queue.lease(UntilIdle())
    later = a_world(Clock(time=NOON.replace(hour=13)))
    async with open_queue(tmp_path / "queue.db", later) as another:
        await ask(house, another, Act.CANCEL, "t1")

    (entry, *_) = await house.trail.list(PROFILE, AuditQuery(trigger="t1"))
    assert "its receiver may have the message" in str(entry.document["detail"])
    assert lease is not None


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Act.HOLD, {"waiting", "leased"}),
        (Act.RELEASE, {"held"}),
        (Act.CANCEL, {"waiting", "held", "leased", "cancelling"}),
        (Act.RETRY, {"waiting"}),
    ],
)
async def test_all_are_those_that_the_act_would_change(
    house: House, queue: SqliteQueue, act: Act, expected: set[str]
) -> None:
    await queue.accept(trigger("leased"))
    lease = await queue.lease(UntilIdle())
    for id_ in ("waiting", "held", "cancelling"):
        await queue.accept(trigger(id_))
    await queue.intervene(Act.HOLD, PROFILE, ["held"], "")
    await queue.intervene(Act.CANCEL, PROFILE, ["cancelling"], "")

    chosen = await service(house, queue).choose(PROFILE, QueueQuery(), act)

    assert {entry.id for entry in chosen} == expected
    assert lease is not None


async def test_many_are_changed_some_at_a_time(
    house: House, queue: SqliteQueue
) -> None:
    ids = [f"t{number}" for number in range(1100)]
    for id_ in ids:
        await queue.accept(trigger(id_))

    done = await ask(house, queue, Act.CANCEL, *ids, "t0")

    assert [result.trigger for result in done] == ids
    reading = AuditReading(trail=house.trail)
    changes = reading.records(PROFILE, AuditQuery(kind="change"))
    assert set(ids) <= {str(entry.document["subject"]) async for entry in changes}
