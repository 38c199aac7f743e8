"""Publishing: answers in the order of the documents, once each is durable."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from keyrelay.model.trigger import Trigger
from keyrelay.ports import Inbox, Unavailable
from keyrelay.services.publishing import (
    Accepted,
    Allowed,
    BacklogFull,
    NotAccepted,
    Published,
    Publishing,
    ReadTrigger,
    Room,
)
from keyrelay.sources.cutting import Cut, CutOff
from tests.fakes import Clock, SlowInbox
from tests.memory_queue import MemoryQueue, Storage
from tests.samples import MAIL_ACTION, NOON, ORIGIN, QUEUE_ACTION


@dataclass(slots=True)
class Answers:
    """Keeps what was answered, in order."""

    given: list[tuple[int, Published]] = field(default_factory=list)

    def __call__(self, number: int, answer: Published) -> None:
        self.given.append((number, answer))

    @property
    def ids(self) -> Sequence[str]:
        return [each.id for _, each in self.given if isinstance(each, Accepted)]


def document(id_: str, action: str = MAIL_ACTION) -> bytes:
    return json.dumps({"id": id_, "action": action}).encode()


async def numbered(*documents: bytes | CutOff) -> AsyncIterator[Sequence[Cut]]:
    yield [*enumerate(documents, start=1)]


def into(
    inbox: Inbox, *, actions: frozenset[str] | None = None, room: Room | None = None
) -> Publishing:
    async def allowed() -> Allowed:
        return lambda action: actions is None or action in actions

    publishing = Publishing(
        inbox=inbox,
        reading=lambda _: lambda _, raw: Trigger.parse(raw, ORIGIN),
        now=lambda: NOON,
        allowed=allowed,
    )
    return publishing if room is None else replace(publishing, room=room)


def memory_queue() -> MemoryQueue:
    return MemoryQueue(world=Clock(time=NOON).world(), storage=Storage())


async def test_a_trigger_is_accepted_once_and_known_from_then_on() -> None:
    publishing = into(memory_queue())

    first = await publishing.publish(document("t1"))
    second = await publishing.publish(document("t1"))

    assert first == Accepted(id="t1", known=False)
    assert second == Accepted(id="t1", known=True)


async def test_the_triggers_of_one_part_are_accepted_at_one_time() -> None:
    clock, read = Clock(time=NOON), list[datetime]()

    def reading(at: datetime) -> ReadTrigger:
        read.append(at)
        clock.time += timedelta(seconds=1)
        return lambda _, raw: Trigger.parse(raw, ORIGIN)

    publishing = replace(into(memory_queue()), now=clock.now, reading=reading)
    for ids in (("t1", "t2"), ("t3",)):
        await publishing.publish_all(numbered(*map(document, ids)), Answers())

    assert read == [NOON, NOON + timedelta(seconds=1)]


async def test_a_document_that_is_no_trigger_is_malformed_and_not_kept() -> None:
    queue = memory_queue()

    answer = await into(queue).publish(b'{"id": "t1"}')

    assert isinstance(answer, NotAccepted)
    assert "names its action" in answer.reason
    assert queue.storage.rows == {}


async def test_a_malformed_document_does_not_stop_those_after_it() -> None:
    publishing = into(memory_queue())
    answers = Answers()

    await publishing.publish_all(
        numbered(document("t1"), b"nonsense", document("t2")), answers
    )

    assert [type(answer) for _, answer in answers.given] == [
        Accepted,
        NotAccepted,
        Accepted,
    ]


async def test_answers_come_in_the_order_of_the_documents() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = into(inbox)
    documents = numbered(*(document(f"t{n}") for n in range(1, 4)))
    running = asyncio.create_task(publishing.publish_all(documents, answers))

    await inbox.until_asked(3)
    before = list(answers.given)
    inbox.answer()
    await running

    assert before == []
    assert [number for number, _ in answers.given] == [1, 2, 3]
    assert answers.ids == ["t1", "t2", "t3"]


async def test_what_a_part_was_cut_off_with_is_refused_with_its_reason() -> None:
    answers = Answers()

    await into(memory_queue()).publish_all(
        numbered(document("t1"), CutOff("the list does not end")), answers
    )

    assert answers.given == [
        (1, Accepted(id="t1", known=False)),
        (2, NotAccepted("the list does not end")),
    ]


async def test_a_trigger_for_an_action_that_is_not_allowed_is_refused() -> None:
    queue, answers = memory_queue(), Answers()

    await into(queue, actions=frozenset({QUEUE_ACTION})).publish_all(
        numbered(document("t1"), document("t2", QUEUE_ACTION)), answers
    )

    assert [type(answer) for _, answer in answers.given] == [NotAccepted, Accepted]
    refused = answers.given[0][1]
    assert isinstance(refused, NotAccepted)
    assert refused.is_denied
    assert [id_ for _, id_ in queue.storage.rows] == ["t2"]


async def test_what_is_allowed_is_asked_anew_for_each_part() -> None:
    queue, answers, allowed = memory_queue(), Answers(), {MAIL_ACTION}

    async def asked() -> Allowed:
        now = frozenset(allowed)
        return lambda action: action in now

    async def parts() -> AsyncIterator[Sequence[Cut]]:
        yield [(1, document("t1"))]
        allowed.clear()
        yield [(2, document("t2"))]

    await replace(into(queue), allowed=asked).publish_all(parts(), answers)

    assert [type(answer) for _, answer in answers.given] == [Accepted, NotAccepted]


async def test_once_the_backlog_is_full_what_was_kept_is_answered_and_no_more() -> None:
    queue, answers = memory_queue(), Answers()

    async def room(_: int) -> int:
        return 2

    documents = [b"{}", *(document(f"t{n}") for n in range(4))]
    with pytest.raises(BacklogFull):
        await into(queue, room=room).publish_all(numbered(*documents), answers)

    assert answers.ids == ["t0", "t1"]
    assert [number for number, _ in answers.given] == [1, 2, 3]
    assert [id_ for _, id_ in queue.storage.rows] == ["t0", "t1"]


async def test_a_full_backlog_still_says_what_is_wrong_with_a_document() -> None:
    async def room(_: int) -> int:
        return 0

    answer = await into(memory_queue(), room=room).publish(b"{}")

    assert isinstance(answer, NotAccepted)


async def test_what_cannot_be_kept_ends_it_and_is_not_answered() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = into(inbox)
    documents = numbered(document("t1"), document("t2"))
    running = asyncio.create_task(publishing.publish_all(documents, answers))
    await inbox.until_asked(2)

    inbox.refuse_the_first()

    with pytest.raises(Unavailable):
        await running
    assert answers.given == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_interruption_leaves_no_task_behind() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = into(inbox)
    documents = numbered(document("t1"), document("t2"))
    running = asyncio.create_task(publishing.publish_all(documents, answers))
    await inbox.until_asked(2)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert answers.given == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("late", [timedelta(), timedelta(milliseconds=1)])
async def test_a_trigger_is_refused_once_its_deadline_has_passed(
    late: timedelta,
) -> None:
    queue, deadline = memory_queue(), (NOON - late).isoformat()
    raw = json.dumps({"id": "t1", "action": MAIL_ACTION, "deadline": deadline}).encode()

    answer = await into(queue).publish(raw)

    assert isinstance(answer, NotAccepted if late else Accepted)
    assert len(queue.storage.rows) == (0 if late else 1)
    if isinstance(answer, NotAccepted):
        assert "deadline has passed" in answer.reason
