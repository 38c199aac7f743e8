"""Administration: each refusal of Kafka is reported with what to change."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidConfigurationError,
    PolicyViolationError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.topics.admin import Administrator
from keyrelay.sources.kafka.topics.layout import (
    RefusedByKafka,
    Topic,
    TopicSize,
    wanted_topics,
)
from keyrelay.sources.kafka.topics.names import Topics

TOPIC = wanted_topics(Topics(main="t"), TopicSize(partitions=1, replication=1))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    topic_errors: Sequence[tuple[str, int, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    resources: Sequence[tuple[int, str | None, int, str, list[tuple[str, str]]]]


@dataclass(slots=True, kw_only=True)
class Client:
    """An AIOKafkaAdminClient whose broker answers what it was told to."""

    code: int = 0
    words: str | None = None
    raises: Exception | None = None
    shown: list[dict[str, object]] = field(
        default_factory=lambda: [
            {"error_code": 0, "topic": "t", "partitions": [{"replicas": [1]}]},
            {"error_code": 3, "topic": "t.dead", "partitions": []},
        ]
    )

    async def describe_topics(self) -> list[dict[str, object]]:
        if self.raises is not None:
            raise self.raises
        return self.shown

    async def describe_cluster(self) -> dict[str, object]:
        return {"brokers": [{"node_id": 1}]}

    async def describe_configs(self, _: object) -> list[Configured]:
        entries = [("retention.ms", "7"), ("cleanup.policy", "")]
        return [Configured(resources=[(self.code, None, 2, "t", entries)])]

    async def create_topics(self, _: object) -> Made:
        return Made(topic_errors=[("t", self.code, self.words)])

    async def create_partitions(self, _: object) -> None:
        if self.raises is not None:
            raise self.raises


async def test_the_topics_that_exist_are_described() -> None:
    cluster = await Administrator(client=Client()).look(["t", "t.dead"])

    assert cluster.brokers == 1
    assert cluster.topics == {
        "t": Topic(
            name="t",
            size=TopicSize(partitions=1, replication=1),
            settings={"retention.ms": "7"},
        )
    }


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            TopicAuthorizationFailedError,
            r"grant CREATE on t\* to our user",
        ),
        (
            ClusterAuthorizationFailedError,
            r"grant CREATE on t\* to our user",
        ),
        (RequestTimedOutError, "try again later"),
    ],
)
async def test_a_topic_that_could_not_be_created_is_reported_with_a_remedy(
    error: type[RequestTimedOutError], remedy: str
) -> None:
    with pytest.raises(Unavailable, match=remedy):
        await Administrator(client=Client(code=error.errno)).create([TOPIC])


@pytest.mark.parametrize("error", [PolicyViolationError, InvalidConfigurationError])
async def test_a_topic_that_kafka_refuses_is_reported_in_its_words(
    error: type[PolicyViolationError],
) -> None:
    client = Client(code=error.errno, words="max.message.bytes is too large")

    with pytest.raises(RefusedByKafka, match=r"t: max\.message\.bytes is too large"):
        await Administrator(client=client).create([TOPIC])


async def test_a_topic_that_was_created_meanwhile_is_no_fault() -> None:
    client = Client(code=TopicAlreadyExistsError.errno)

    await Administrator(client=client).create([TOPIC])


async def test_settings_that_may_not_be_read_are_reported_with_the_permission() -> None:
    client = Client(code=TopicAuthorizationFailedError.errno)

    with pytest.raises(Unavailable, match="grant DESCRIBE_CONFIGS on t to our user"):
        await Administrator(client=client).look(["t"])


@pytest.mark.parametrize(
    ("raises", "remedy"),
    [
        (TopicAuthorizationFailedError("t"), "grant ALTER on the topics"),
        (TimeoutError(), r"did not do it \(TimeoutError\); try again later"),
    ],
)
async def test_partitions_that_could_not_be_added_are_reported_with_a_remedy(
    raises: Exception, remedy: str
) -> None:
    with pytest.raises(Unavailable, match=remedy):
        await Administrator(client=Client(raises=raises)).grow([TOPIC])
