"""Neighbours: triggers for a dead mail server slow only each other."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from tests.faults.many_machines import Place, crew_of, trigger_in
from tests.faults.relay import Relay
from tests.services import loopback
from tests.sinks.ledger import Entry
from tests.sinks.sqs import SqsSink

EACH = 2_000
WANTED = 0.8
WITHIN = timedelta(seconds=120)
SEED = 20_260_104


@pytest.mark.timeout(400)
def test_a_dead_mail_server_leaves_the_other_half_its_rate(
    shared_relay: Relay,
    place: Place,
    queue: SqsSink,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = loopback.free_port()
    allowed = {"KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8", "KEYRELAY_SMTP_PORTS": str(port)}
    relay = Relay(home=shared_relay.home.under(allowed), action=shared_relay.action)
    dead = _mail_action(relay, port)

    _publish(place, relay, "well", lambda _: relay.action)
    with crew_of(relay, 1, SEED):
        queue.ledger.await_count(2 * EACH, WITHIN)
        beside_the_living = _rate(queue, "well")
        _publish(place, relay, "ill", lambda n: dead if n % 2 else relay.action)
        queue.ledger.await_count(3 * EACH, WITHIN)
        beside_the_dead = _rate(queue, "ill")

    with capsys.disabled():
        print(
            f"\nhalf of the triggers, beside a living neighbour"
            f" {beside_the_living:.0f}/s, beside a dead one {beside_the_dead:.0f}/s"
        )
    assert beside_the_dead >= WANTED * beside_the_living


def _publish(
    place: Place, relay: Relay, prefix: str, action: Callable[[int], str]
) -> None:
    """Publish two halves, one after the other in turn."""
    place.publish(
        {**relay.trigger(f"{prefix}-{n}"), "action": action(n)} for n in range(2 * EACH)
    )


def _rate(queue: SqsSink, prefix: str) -> float:
    """Return how many of the first half's messages arrived each second."""
    half = [entry for entry in queue.ledger.entries() if _is_first(entry, prefix)]
    times = sorted(entry.at for entry in half)
    return (len(times) - 1) / (times[-1] - times[0])


def _is_first(entry: Entry, prefix: str) -> bool:
    named, _, number = trigger_in(entry.name).partition("-")
    return named == prefix and int(number) % 2 == 0


def _mail_action(relay: Relay, port: int) -> str:
    """Create an action whose mails go where nobody listens."""
    value = {
        "smtp_server": loopback.HOST,
        "smtp_port": port,
        "username": "relay",
        "password": "nobody asks",
    }
    secret = relay.home.create_secret("dead", "smtp", value)
    does: Mapping[str, object] = {
        "type": "email-smtp",
        "from": "relay@example.test",
        "to": "ada@example.test",
        "subject": "$VARIABLE$",
        "message": "$VALUE$",
        "smtp_secret": secret,
    }
    return relay.home.create("action", {"name": "dead", "action": does})
