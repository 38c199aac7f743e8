"""The queue in Kafka: what becomes of a trigger on its way through the log."""

from datetime import timedelta

import pytest

from keyrelay.settlement import Done, TryAgain
from tests.contract.kafka_logs import Log, a_log
from tests.contract.queues import trigger
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(60)

AGAIN = TryAgain(
    after=timedelta(seconds=20), done=frozenset({"ada@b.example"}), reason="451 later"
)


@pytest.fixture
async def log(kafka: Kafka) -> Log:
    return await a_log(kafka)


async def test_an_accepted_trigger_is_lent_and_done_once(log: Log) -> None:
    async with log.member() as member:
        assert await member.queue.accept(trigger())

        lease = await member.lease()
        assert (lease.trigger, lease.number, lease.repeats) == (trigger(), 1, False)
        assert lease.done == frozenset()
        await lease.settle(Done())

    assert await log.committed() == {log.topics.main: 1}
