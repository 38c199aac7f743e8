"""What waits for a secret goes on when that secret's pause has ended, in any order."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from keyrelay.model.settlement import TryAgain
from keyrelay.sources.kafka.options import KafkaOptions, Window
from tests.contract.queues import UntilIdle, trigger
from tests.fakes import Story
from tests.samples import MAIL_SECRET, NOON, QUEUE_SECRET
from tests.unit.sources.kafka_fakes import House
from tests.unit.sources.kafka_records import (
    HELD,
    MAIN,
    Feed,
    a_buffer,
    due,
    milliseconds,
    parked,
    raw,
)

pytestmark = pytest.mark.timeout(20)

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
WAITS = TryAgain(after=HOUR, spent=False, waits_for=MAIL_SECRET, reason="paused")


@pytest.mark.parametrize("lifted", ["before it is written", "fetched", "drawn"])
@pytest.mark.parametrize("woken", [True, False])
def test_a_parked_trigger_is_due_once_its_secret_holds_nothing_back(
    lifted: str, *, woken: bool
) -> None:
    paused = {MAIL_SECRET, QUEUE_SECRET}
    buffer = a_buffer(holds=paused.__contains__)
    feed = Feed(buffer)

    def happens(step: str) -> None:
        if step == lifted:
            paused.discard(MAIL_SECRET)
            if woken or step == "drawn":
                buffer.wake(MAIL_SECRET, NOON - SECOND)

    # A worker that has not heard of it yet parks the trigger after all others woke.
    happens("before it is written")
    feed.park("mail", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)
    feed.park("queue", HELD, due=NOON + HOUR, waits_for=QUEUE_SECRET, offset=1)
    happens("fetched")
    if lifted == "drawn":
        assert not buffer.draw(5, NOON)
    happens("drawn")

    assert due(buffer.draw(5, NOON)) == ["mail"]


def test_without_room_too_a_trigger_is_drawn_once_its_secret_holds_nothing_back() -> (
    None
):
    paused = {MAIL_SECRET}
    options = KafkaOptions(window=Window(records=4))
    buffer = a_buffer(options=options, holds=paused.__contains__)
    feed = Feed(buffer)
    for offset, id_ in enumerate(("t1", "t2")):
        due_ = NOON + HOUR
        feed.park(id_, HELD, due=due_, waits_for=MAIL_SECRET, offset=offset)
    assert not buffer.draw(5, NOON)

    paused.clear()

    assert due(buffer.draw(5, NOON)) == ["t1", "t2"]


class Lifting(Story):
    """A story in which the pause ends at one event."""

    at: str
    lift: Callable[[], None]

    def tell(self, event: str) -> None:
        super().tell(event)
        if event == self.at:
            self.lift()


async def _lease_again(house: House, record_in: str) -> bool:
    """Lease a trigger, park it while its pause ends; tell if it is lent again."""
    of = HELD if record_in == "held" else MAIN
    async with house.queue(MAIN, HELD) as queue:
        house.clock.time += SECOND  # after the wake of all that comes with partitions
        headers = parked(trigger(), due=NOON) if of is HELD else []
        house.consumer.feed(raw(trigger().encode(), of=of, headers=headers))
        lease = await queue.lease(asyncio.Event())
        assert lease is not None
        if isinstance(house.story, Lifting) and house.story.at == "lease":
            house.story.lift()
        await lease.settle(WAITS)
        written = milliseconds(house.clock.now())
        for given in house.producer.headers:
            value = trigger().encode()
            again = raw(value, of=HELD, headers=given, timestamp=written)
            house.consumer.feed(again)
        return await queue.lease(UntilIdle()) is not None


@pytest.mark.parametrize(
    ("record_in", "at"),
    [
        ("main", "lease"),
        ("main", "write t.held"),
        ("main", "end t1: parked"),
        ("main", "never"),
        # Here it waits in place, and nothing is written.
        ("held", "lease"),
        ("held", "end t1: parked"),
        ("held", "never"),
    ],
)
async def test_a_pause_that_ends_while_a_trigger_is_put_back_is_seen(
    record_in: str, at: str
) -> None:
    story = Lifting()
    house = House(story=story, paused={MAIL_SECRET})
    assert house.paused is not None
    story.at, story.lift = at, house.paused.clear

    assert await _lease_again(house, record_in) is (at != "never")
