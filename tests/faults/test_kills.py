"""Kills: a worker or a publisher that dies at any moment loses nothing."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import pytest

from tests.faults.lengths import KILLS
from tests.faults.reckoning import reckon
from tests.faults.relay import Relay, trigger_of
from tests.sinks.smtp import SmtpSink

SEED = 20_260_101
WITHIN = timedelta(seconds=60)


@pytest.mark.timeout(90 + 5 * KILLS)
def test_kills_of_the_worker_lose_nothing_and_repeat_only_what_is_recorded(
    relay: Relay, sink: SmtpSink, tell: Callable[[str], None]
) -> None:
    accepted = [f"t{number}" for number in range(60 * KILLS)]
    relay.publish(accepted)

    _kill(relay, sink, random.Random(SEED))  # noqa: S311 - to be repeatable
    killed_at = len(sink.ledger.names())
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, accepted)
    tell(f"{KILLS} kills, the last at {killed_at} mails: {reckoning}")
    assert killed_at < len(accepted), "the last kill must have met work"
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    assert reckoning.resent == set()
    relay.home.run("audit", "verify")


def _kill(relay: Relay, sink: SmtpSink, dice: random.Random) -> None:
    """Kill worker after worker at work, each when the next one is already there."""
    with ExitStack() as stack:
        oldest = stack.enter_context(relay.home.running("worker"))
        for _ in range(KILLS):
            next_ = stack.enter_context(relay.home.running("worker"))
            oldest.await_said("worker started")
            more = dice.randrange(1, 40)
            sink.ledger.await_count(sink.ledger.count() + more, WITHIN)
            oldest.kill()
            oldest = next_


def test_what_a_killed_publisher_called_accepted_is_delivered(
    relay: Relay, sink: SmtpSink
) -> None:
    ids = [f"pub-{number}" for number in range(20_000)]

    with relay.home.running("trigger", "publish", "--file", relay.write(ids)) as half:
        half.await_said("pub-", times=500)
        half.kill()
    accepted = {line.strip() for line in half.said} & set(ids)
    relay.home.run("worker", "--drain")

    delivered = sink.ledger.names()
    assert 0 < len(accepted) < len(ids)
    assert accepted <= {trigger_of(name) for name in delivered}
    assert set(delivered.values()) == {1}


def test_what_is_published_again_after_a_kill_is_delivered_once(
    relay: Relay, sink: SmtpSink
) -> None:
    ids = [f"pub-{number}" for number in range(1000)]
    with relay.home.running("trigger", "publish", "--file", relay.write(ids)) as half:
        half.await_said("pub-")
        half.kill()

    relay.publish(ids)
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, ids)
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.repeated == set()
