"""Order: within a group it survives retries, where triggers share the group's key."""

from datetime import timedelta
from pathlib import Path

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.queues import sqs_secret
from tests.installed.home import Home
from tests.sinks import sqs
from tests.sinks.faults import Faults

WITHIN = timedelta(seconds=60)
GROUPS = ("pump-1", "pump-2", "pump-3")
EACH = 6


def test_order_within_a_group_survives_retries(home: Home, tmp_path: Path) -> None:
    triggers = {f"{group}.{n}": group for n in range(EACH) for group in GROUPS}
    with sqs.running(tmp_path / "sink", faults=Faults(busy=0.4, seed=3)) as sink:
        home = home.under(
            {
                "KEYRELAY_SQS_ENDPOINTS": sink.endpoint,
                "KEYRELAY_ORDERING": "key",
            }
        )
        value = sqs_secret(sink.queue_url("ordered.fifo"))
        secret = home.create_secret("queue", "aws-sqs", value)
        does = {"type": "queue-sqs", "sqs_secret": secret, "group_id": "$DEVICE$"}
        told = home.create("action", action("tell", does))
        home.create("policy", EVERYTHING)
        publish(
            home,
            *(
                trigger(id_, told, [{"variable": id_, "device": group}], key=group)
                for id_, group in triggers.items()
            ),
        )

        with home.running("worker") as worker:
            sink.ledger.await_count(len(triggers), WITHIN)
            worker.await_said('"outcome": "delivered"', len(triggers))
            worker.kill()

        arrived = [".".join(e.name.split(".")[:2]) for e in sink.ledger.entries()]
    assert worker.count('"outcome": "deferred"') > 0, "nothing was tried again"
    for group in GROUPS:
        wanted = [id_ for id_, its in triggers.items() if its == group]
        assert [id_ for id_ in arrived if triggers[id_] == group] == wanted
