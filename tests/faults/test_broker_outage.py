"""The broker is away: nothing is read, nothing is lost, and work resumes by itself."""

from collections.abc import Callable

import pytest

from tests.faults.many_machines import Place
from tests.faults.outage import outlive
from tests.faults.relay import Relay
from tests.services.kafka import Kafka
from tests.sinks.sqs import SqsSink


@pytest.mark.timeout(300)
def test_half_a_minute_without_the_broker_loses_nothing(
    shared_relay: Relay,
    place: Place,
    queue: SqsSink,
    kafka: Kafka,
    tell: Callable[[str], None],
) -> None:
    reckoning = outlive(shared_relay, place, queue, kafka.kill, kafka.start)

    tell(f"half a minute without the broker: {reckoning}")
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
