"""The database is away: work stops, loudly, and resumes by itself."""

from collections.abc import Callable

import pytest

from tests.faults.many_machines import Place
from tests.faults.outage import outlive
from tests.faults.relay import Relay
from tests.services.postgresql import PostgreSql
from tests.sinks.sqs import SqsSink


@pytest.mark.timeout(300)
def test_half_a_minute_without_the_database_loses_nothing(
    shared_relay: Relay,
    place: Place,
    queue: SqsSink,
    postgresql: PostgreSql,
    tell: Callable[[str], None],
) -> None:
    reckoning = outlive(shared_relay, place, queue, postgresql.stop, postgresql.start)

    tell(f"half a minute without the database: {reckoning}")
    assert reckoning.lost == set()
    assert reckoning.buried == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
