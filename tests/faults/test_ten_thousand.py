"""Ten thousand: as many triggers as a busy hour has, each delivered once."""

from collections.abc import Mapping

import pytest

from tests.faults.reckoning import reckon
from tests.faults.relay import Relay
from tests.sinks.smtp import SmtpSink


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {}  # as they are, out of the box


@pytest.mark.timeout(300)
def test_ten_thousand_triggers_are_all_delivered_once(
    relay: Relay, sink: SmtpSink
) -> None:
    ids = [f"t{number}" for number in range(10_000)]

    relay.publish(ids)
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, ids)
    assert reckoning.delivered == set(ids)
    assert reckoning.unrecorded == set()
    assert reckoning.repeated == set()
    assert sink.ledger.count() == len(ids)
