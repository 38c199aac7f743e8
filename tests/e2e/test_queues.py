"""Messages on LocalStack's queues: bodies, attributes, delay, order, repeats."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e import readme
from tests.e2e.definitions import EVERYTHING, action, publish, trigger
from tests.e2e.queues import Queue, create_queue, sqs_secret
from tests.installed.home import Home
from tests.installed.together import together
from tests.services.localstack import LocalStack

POINTS: list[Mapping[str, object]] = [
    {"variable": "temperature", "value": 9.5, "unit": "°C", "device": "door-17"},
    {"variable": "note", "value": "zu warm … 温度", "device": "door-17"},
]
MANY: list[Mapping[str, object]] = [
    {"variable": "n", "value": n, "device": "pump-7"} for n in range(25)
]
DOES: Mapping[str, Mapping[str, object]] = {
    "batched": {"batch_enabled": True},
    "single": {"batch_enabled": False},
    "template": {
        "message": "$VARIABLE$ is $VALUE$ $UNIT$",
        "attributes": {"unit": "$UNIT$", "site": "harbour"},
    },
    "delayed": {"delay_seconds": 900},
    "ordered.fifo": {"group_id": "$DEVICE$"},
    "repeated.fifo": {"group_id": "all", "deduplication_id": "$VARIABLE$"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The queues, each with an action that is called as it is."""

    queues: Mapping[str, Queue]
    profile: str


@pytest.fixture(scope="module")
def kept(
    original: Home, localstack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    """All is published at once; each test then looks into a queue of its own."""
    settings = {"KEYRELAY_SQS_ENDPOINTS": localstack.endpoint}
    home = original.copied(tmp_path_factory.mktemp("queues") / "home", settings)
    queues = {name: create_queue(localstack, name) for name in DOES}
    actions = dict(zip(DOES, together(_creating(home, queues)), strict=True))
    home.create("policy", EVERYTHING)
    points = dict.fromkeys(DOES, POINTS) | {"ordered.fifo": MANY}
    lines = [trigger(f"{name}-1", actions[name], points[name]) for name in DOES]
    again = trigger("repeated-2", actions["repeated.fifo"], POINTS)
    publish(home, *lines, again)

    drained = home.run("worker", "--drain")

    assert drained.startswith("7 delivered, 0 buried, 0 to be tried")
    (profile,) = {
        record["profile"] for record in _listed(home) if record["kind"] == "attempt"
    }
    return Kept(queues=queues, profile=str(profile))


def _creating(home: Home, queues: Mapping[str, Queue]) -> list[Callable[[], str]]:
    return [partial(_create, home, name, queues[name].url) for name in DOES]


def _create(home: Home, name: str, url: str) -> str:
    secret = home.create_secret(name, "aws-sqs", sqs_secret(url))
    (written, *_) = readme.in_line("Put messages on a queue", '{"type": "queue-sqs"')
    does = json.loads(written.replace(": ID", f': "{secret}"'))
    return home.create("action", action(name, does | DOES[name]))


def _listed(home: Home) -> list[Mapping[str, object]]:
    listed = home.read("audit", "list")
    assert isinstance(listed, list)
    return listed


def test_a_batch_is_one_message_with_all_data_points(kept: Kept) -> None:
    (message,) = kept.queues["batched"].messages(1)

    assert json.loads(message["Body"]) == POINTS


def test_without_a_batch_each_data_point_is_a_message(kept: Kept) -> None:
    messages = kept.queues["single"].messages(2)

    found = sorted((json.loads(m["Body"]) for m in messages), key=str, reverse=True)
    assert found == POINTS


def test_a_template_is_filled_and_so_are_attributes(kept: Kept) -> None:
    messages = kept.queues["template"].messages(2)

    found = {
        message["Body"]: {
            name: attribute["StringValue"]
            for name, attribute in message["MessageAttributes"].items()
        }
        for message in messages
    }
    assert found == {
        "temperature is 9.5 °C": {"unit": "°C", "site": "harbour"},
        "note is zu warm … 温度 ": {"site": "harbour"},
    }


def test_a_delayed_message_is_there_and_waits(kept: Kept) -> None:
    assert kept.queues["delayed"].messages(0) == []
    assert kept.queues["delayed"].hidden() == 2


def test_a_fifo_queue_has_them_in_order_in_their_group(kept: Kept) -> None:
    messages = kept.queues["ordered.fifo"].messages(25)

    assert [json.loads(m["Body"])["value"] for m in messages] == [*range(25)]
    assert {m["Attributes"]["MessageGroupId"] for m in messages} == {"pump-7"}
    assert [m["Attributes"]["MessageDeduplicationId"] for m in messages] == [
        f"ordered.fifo-1.{kept.profile}.{n}" for n in range(25)
    ]


def test_what_has_the_same_deduplication_id_arrives_once(kept: Kept) -> None:
    messages = kept.queues["repeated.fifo"].messages(2)

    assert [json.loads(m["Body"])["variable"] for m in messages] == [
        "temperature",
        "note",
    ]
