"""Queue servers of another make, old and new: each takes what we send."""

import json
from collections.abc import Mapping

import pytest

from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.queues import Queue, create_queue, sqs_secret
from tests.installed.home import Home
from tests.services.elasticmq import ElasticMq

TEXT = 'ß😀 \t"<&>" Ж end'
POINTS: list[Mapping[str, object]] = [
    {"variable": "n", "value": f"{n} {TEXT}", "unit": "°C", "device": f"d{n % 3}"}
    for n in range(30)
]


@pytest.fixture
def home(home: Home, elasticmq: ElasticMq) -> Home:
    return home.under({"KEYRELAY_SQS_ENDPOINTS": elasticmq.endpoint})


def sent(
    home: Home, elasticmq: ElasticMq, name: str, does: Mapping[str, object]
) -> Queue:
    """Send the points to a new queue, one message for each, and see them delivered."""
    queue = create_queue(elasticmq, name)
    value = sqs_secret(queue.url, region=elasticmq.region)
    secret = home.create_secret("orders", "aws-sqs", value)
    home.create("policy", EVERYTHING)
    does = {"type": "queue-sqs", "sqs_secret": secret, **does}
    publish(home, trigger("t", home.create("action", action("tell", does)), POINTS))

    drained = home.run("worker", "--drain")

    assert drained.startswith("1 delivered, 0 buried"), home.run("attempt", "list")
    return queue


def test_a_standard_queue_gets_each_message_as_it_was_meant(
    home: Home, elasticmq: ElasticMq
) -> None:
    does = {"message": "$VALUE$", "attributes": {"unit": "$UNIT$"}, "delay_seconds": 0}

    queue = sent(home, elasticmq, "plain", does)

    messages = queue.messages(len(POINTS))
    assert sorted(m["Body"] for m in messages) == sorted(
        str(p["value"]) for p in POINTS
    )
    units = {m["MessageAttributes"]["unit"]["StringValue"] for m in messages}
    assert units == {"°C"}


def test_a_fifo_queue_keeps_the_order_of_each_group(
    home: Home, elasticmq: ElasticMq
) -> None:
    does = {"message": '{"v": "$VALUE$"}', "group_id": "$DEVICE$"}

    queue = sent(home, elasticmq, "ordered.fifo", does)

    groups: dict[str, list[str]] = {}
    for message in queue.messages(len(POINTS)):
        group = message["Attributes"]["MessageGroupId"]
        groups.setdefault(group, []).append(json.loads(message["Body"])["v"])
    assert groups == {
        device: [p["value"] for p in POINTS if p["device"] == device]
        for device in ("d0", "d1", "d2")
    }


def test_a_queue_that_is_not_there_is_the_definitions_fault(
    home: Home, elasticmq: ElasticMq
) -> None:
    url = f"{elasticmq.endpoint}/000000000000/nowhere"
    value = sqs_secret(url, region=elasticmq.region)
    secret = home.create_secret("orders", "aws-sqs", value)
    home.create("policy", EVERYTHING)
    does = {"type": "queue-sqs", "sqs_secret": secret}
    publish(home, trigger("t", home.create("action", action("tell", does)), POINTS[:1]))

    drained = home.run("worker", "--drain")

    assert drained.startswith("0 delivered, 1 buried")
    (record,) = json.loads(home.run("attempt", "list", "--json"))
    assert (record["outcome"], record["fault"]) == ("rejected", "definition")
