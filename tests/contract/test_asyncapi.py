"""The AsyncAPI document says what is so: topics, headers, and triggers in all forms."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from keyrelay import __version__
from keyrelay.app.settings import Settings
from keyrelay.model.claim import Arrival
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import Fault
from keyrelay.model.revision import Revision
from keyrelay.model.trigger import Trigger
from keyrelay.sources.cloud_event import unwrap
from keyrelay.sources.kafka.connecting.address import GROUP, TOPIC
from keyrelay.sources.kafka.records.headers import dead_headers, parked_headers
from keyrelay.sources.kafka.records.position import TopicPartitionOffset
from keyrelay.sources.kafka.records.record import Headers, Wait
from keyrelay.sources.kafka.topics.layout import TopicSize, wanted_topics
from keyrelay.sources.kafka.topics.names import Topics
from tests.samples import MAIL_SECRET, NOON, ORIGIN, PROFILE, REVISION

DOCS = Path(__file__).parents[2] / "docs"
HERE = "https://docs.example/asyncapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
TRIGGER_SCHEMA: dict[str, Any] = json.loads((DOCS / "trigger.schema.json").read_text())
TOPICS = Topics(main=TOPIC)
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
PLACE = TopicPartitionOffset("keyrelay.triggers", 3, 17)


def validator(pointer: str) -> Draft202012Validator:
    """Return one for the part of the document that stands there."""
    parts = {
        HERE: DOCUMENT,
        HERE.replace("asyncapi.yaml", "trigger.schema.json"): (TRIGGER_SCHEMA),
    }
    registry: Registry[Any] = Registry().with_resources(
        (url, Resource.from_contents(part, DRAFT202012)) for url, part in parts.items()
    )
    return Draft202012Validator({"$ref": f"{HERE}#{pointer}"}, registry=registry)


def payloads(name: str) -> Draft202012Validator:
    pointer = MESSAGES[name]["payload"]["$ref"].removeprefix("#")
    return validator(f"{pointer}/schema")


def headers(name: str) -> Draft202012Validator:
    return validator(f"/components/messages/{name}/headers")


def examples() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, message in MESSAGES.items():
        for example in message.get("examples", ()):
            yield name, example


def test_the_document_is_one_of_asyncapi(asyncapi_schema: Path) -> None:
    official = Draft7Validator(json.loads(asyncapi_schema.read_text()))

    assert [error.message for error in official.iter_errors(DOCUMENT)] == []


def test_what_it_refers_to_is_there() -> None:
    for reference in _references(DOCUMENT):
        if reference == "./trigger.schema.json":
            continue
        part: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            assert name in part, reference
            part = part[name]


def test_it_is_of_this_version_of_keyrelay() -> None:
    assert DOCUMENT["info"]["version"] == __version__


def test_its_topics_are_ours() -> None:
    retries = CHANNELS["retries"]
    delays = retries["parameters"]["delay"]["enum"]

    assert CHANNELS["triggers"]["address"] == TOPICS.main
    assert CHANNELS["held"]["address"] == TOPICS.held
    assert CHANNELS["dead"]["address"] == TOPICS.dead
    assert [retries["address"].format(delay=delay) for delay in delays] == [
        *TOPICS.retries
    ]
    assert (
        DOCUMENT["operations"]["takeTriggers"]["bindings"]["kafka"]["groupId"]["const"]
        == GROUP
    )


@pytest.mark.parametrize("channel", ["triggers", "dead"])
def test_its_topics_are_set_up_as_we_make_them(channel: str) -> None:
    binding = CHANNELS[channel]["bindings"]["kafka"]
    size = TopicSize(partitions=binding["partitions"], replication=binding["replicas"])
    made = {topic.name: topic for topic in wanted_topics(TOPICS, size)}
    said = {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in binding["topicConfiguration"].items()
    }

    assert said.items() <= made[binding["topic"]].settings.items()
    assert (size.partitions, size.replication) == (12, 3)


def test_its_logins_are_those_that_can_be_set() -> None:
    annotation = Settings.model_fields["kafka_mechanism"].annotation
    mechanisms = {name for each in get_args(annotation) for name in get_args(each)}
    schemes = DOCUMENT["components"]["securitySchemes"].values()

    named = {
        "scramSha512": "SCRAM-SHA-512",
        "scramSha256": "SCRAM-SHA-256",
        "plain": "PLAIN",
    }
    assert {named[s["type"]] for s in schemes if s["type"] in named} == mechanisms


@pytest.mark.parametrize(("name", "example"), [*examples()])
def test_its_examples_are_triggers(name: str, example: Mapping[str, Any]) -> None:
    payload = example["payload"]
    said = [(key, value.encode()) for key, value in example.get("headers", {}).items()]

    unwrapped = unwrap(json.dumps(payload).encode(), said)

    Trigger.parse(unwrapped.document, ORIGIN)
    payloads(name).validate(payload)
    if said:
        headers(name).validate(example["headers"])


@pytest.mark.parametrize(
    "changed",
    [
        {"specversion": "0.3"},
        {"source": ""},
        {"data": {"action": "unknown"}},
        {"data_base64": "e30="},
        {"partitionkey": "k" * 129},
    ],
    ids=str,
)
def test_an_event_that_would_be_refused_does_not_fit(
    changed: Mapping[str, object],
) -> None:
    (example,) = MESSAGES["structuredEvent"]["examples"]

    assert not payloads("structuredEvent").is_valid({**example["payload"], **changed})


@pytest.mark.parametrize(
    ("waits_for", "dated_at", "revision"),
    [(None, NOON, REVISION), (MAIL_SECRET, NOON, None), (None, None, None)],
)
def test_its_headers_of_waiting_triggers_are_those_that_workers_write(
    waits_for: str | None, dated_at: datetime | None, revision: Revision | None
) -> None:
    done = frozenset({"a@b"})
    arrival = Arrival(profile=PROFILE, id="t1", attempts=2, done=done)
    wait = Wait(NOON + timedelta(seconds=5), waits_for)

    life = Lifetime(raised_at=NOON, deadline=NOON, dated_at=dated_at, revision=revision)

    written = _texts(parked_headers(arrival, PLACE, wait, "later", life))

    schema = DOCUMENT["components"]["schemas"]["parkedHeaders"]
    given = {
        "keyrelay-waits-for": waits_for,
        "keyrelay-dated": dated_at,
        "keyrelay-revision": revision,
    }
    left_out = {name for name, value in given.items() if value is None}
    assert written.keys() == schema["properties"].keys() - left_out
    assert set(schema["required"]) == schema["properties"].keys() - given.keys()
    headers("parked").validate(written)


@pytest.mark.parametrize("fault", Fault)
def test_its_headers_of_dead_letters_are_those_that_workers_write(
    fault: Fault,
) -> None:
    written = _texts(dead_headers(PLACE, "refused", fault, 3))

    schema = DOCUMENT["components"]["schemas"]["deadHeaders"]
    assert written.keys() == schema["properties"].keys() == set(schema["required"])
    headers("deadLetter").validate(written)


def _texts(written: Headers) -> dict[str, str]:
    return {name: raw.decode() for name, raw in written}


def _references(part: object) -> Iterator[str]:
    if isinstance(part, list):
        for each in part:
            yield from _references(each)
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
