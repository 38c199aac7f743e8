"""Publishing: answers in the order of the documents, once each is durable."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from keyrelay.ports import Unavailable
from keyrelay.services.publishing import Accepted, Answer, Malformed, Publishing
from tests.fakes import Clock, SlowInbox
from tests.memory_queue import MemoryQueue, Storage
from tests.samples import MAIL_ACTION, NOON, ORIGIN


@dataclass(slots=True)
class Answers:
    """Keeps what was answered, in order."""

    given: list[tuple[int, Answer]] = field(default_factory=list)

    def __call__(self, number: int, answer: Answer) -> None:
        self.given.append((number, answer))

    @property
    def ids(self) -> Sequence[str]:
        return [each.id for _, each in self.given if isinstance(each, Accepted)]


def document(id_: str) -> bytes:
    return json.dumps({"id": id_, "action": MAIL_ACTION}).encode()


async def numbered(*documents: bytes) -> AsyncIterator[tuple[int, bytes]]:
    for number, each in enumerate(documents, start=1):
        yield number, each


def memory_queue() -> MemoryQueue:
    return MemoryQueue(world=Clock(time=NOON).world(), storage=Storage())


async def test_a_trigger_is_accepted_once_and_known_from_then_on() -> None:
    publishing = Publishing(inbox=memory_queue(), origin=ORIGIN)

    first = await publishing.publish(document("t1"))
    second = await publishing.publish(document("t1"))

    assert first == Accepted(id="t1", known=False)
    assert second == Accepted(id="t1", known=True)


async def test_a_document_that_is_no_trigger_is_malformed_and_not_kept() -> None:
    queue = memory_queue()

    answer = await Publishing(inbox=queue, origin=ORIGIN).publish(b'{"id": "t1"}')

    assert isinstance(answer, Malformed)
    assert "names its action" in answer.reason
    assert queue.storage.rows == {}


async def test_a_malformed_document_does_not_stop_those_after_it() -> None:
    publishing = Publishing(inbox=memory_queue(), origin=ORIGIN)
    answers = Answers()

    await publishing.publish_all(
        numbered(document("t1"), b"nonsense", document("t2")), answers
    )

    assert [type(answer) for _, answer in answers.given] == [
        Accepted,
        Malformed,
        Accepted,
    ]


async def test_answers_come_in_the_order_of_the_documents() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = Publishing(inbox=inbox, origin=ORIGIN)
    documents = numbered(*(document(f"t{n}") for n in range(1, 4)))
    running = asyncio.create_task(publishing.publish_all(documents, answers))

    await inbox.until_asked(3)
    before = list(answers.given)
    inbox.answer()
    await running

    assert before == []
    assert [number for number, _ in answers.given] == [1, 2, 3]
    assert answers.ids == ["t1", "t2", "t3"]


async def test_a_bounded_number_is_under_way_however_many_there_are() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = Publishing(inbox=inbox, origin=ORIGIN)
    documents = numbered(*(document(f"t{n}") for n in range(600)))
    running = asyncio.create_task(publishing.publish_all(documents, answers))

    for under_way in (256, 256, 88):
        await inbox.until_asked(under_way)
        inbox.answer()
    await running

    assert len(answers.given) == 600
    assert inbox.most == 256


async def test_what_cannot_be_kept_ends_it_and_is_not_answered() -> None:
    inbox, answers = SlowInbox(), Answers()
    publishing = Publishing(inbox=inbox, origin=ORIGIN)
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
    publishing = Publishing(inbox=inbox, origin=ORIGIN)
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

    answer = await Publishing(inbox=queue, origin=ORIGIN).publish(raw)

    assert isinstance(answer, Malformed if late else Accepted)
    assert len(queue.storage.rows) == (0 if late else 1)
    if isinstance(answer, Malformed):
        assert "deadline has passed" in answer.reason
