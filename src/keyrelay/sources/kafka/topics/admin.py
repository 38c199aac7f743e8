"""Administration: looks at the topics that exist, creates topics, adds partitions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.diagnosis import diagnose
from keyrelay.sources.kafka.topics.layout import RefusedByKafka, Topic, TopicSize

T = TypeVar("T")

_LOOKS = 100  # a tenth of a second apart
_DENIED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)
_NEVER = (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    PolicyViolationError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """`topics` are the ones that were asked for and exist, by name."""

    brokers: int
    topics: Mapping[str, Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """Each call raises Unavailable."""

    client: AIOKafkaAdminClient

    async def look(self, names: Sequence[str]) -> Cluster:
        """Return the topics with these names that exist."""
        sizes = {n: each for n, each in await self._described() if n in names}
        settings = await self._settings(list(sizes))
        brokers = await _answer(self.client.describe_cluster(), "DESCRIBE")
        return Cluster(
            brokers=len(brokers["brokers"]),
            topics={
                name: Topic(name=name, size=each, settings=settings[name])
                for name, each in sizes.items()
            },
        )

    async def create(self, topics: Sequence[Topic]) -> None:
        """Create topics; one that exists by now is left as it is.

        Raises RefusedByKafka, too; then some may have been created.
        """
        new = [
            NewTopic(
                name=topic.name,
                num_partitions=topic.size.partitions,
                replication_factor=topic.size.replication,
                topic_configs=dict(topic.settings),
            )
            for topic in topics
        ]
        made = await _answer(self.client.create_topics(new), "CREATE on the cluster")
        for name, code, *said in made.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                words = next(filter(None, said), error.__name__)
                needs = f"CREATE on {topics[0].name}*"
                raise _refusal(error, needs, f"{name}: {words}")
        await self._seen(topics)

    async def grow(self, topics: Sequence[Topic]) -> None:
        """Add partitions up to each topic's number. Raises RefusedByKafka, too."""
        wanted = {topic.name: NewPartitions(topic.size.partitions) for topic in topics}
        await _answer(self.client.create_partitions(wanted), "ALTER on the topics")
        await self._seen(topics)

    async def _described(self) -> Sequence[tuple[str, TopicSize]]:
        # All topics are asked for: some brokers create a missing one that is named.
        asked = self.client.describe_topics()
        return list(_described(await _answer(asked, "DESCRIBE on the topics")))

    async def _seen(self, topics: Sequence[Topic]) -> None:
        """Return once all brokers know them: metadata spreads with a delay."""
        for _ in range(_LOOKS):
            shown = {name: each.partitions for name, each in await self._described()}
            if all(shown.get(t.name, 0) >= t.size.partitions for t in topics):
                return
            await asyncio.sleep(0.1)
        raise Unavailable("the topics do not show what is new: grant DESCRIBE on them")

    async def _settings(self, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await _answer(
            self.client.describe_configs(resources), "DESCRIBE_CONFIGS on the topics"
        )
        settings = {}
        for answer in answers:
            for code, _, _, name, entries in answer.resources:
                if code:
                    error = for_code(code)
                    needs = f"DESCRIBE_CONFIGS on {name}"
                    raise _refusal(error, needs, f"{name}: {error.__name__}")
                settings[name] = {key: value for key, value, *_ in entries if value}
        return settings


@asynccontextmanager
async def open_administrator(clients: KafkaClients) -> AsyncIterator[Administrator]:
    """Connect. Raises Unavailable; the message says what to change."""
    async with AsyncExitStack() as opened:
        client = await _started(clients, opened)
        yield Administrator(client=client)


async def _started(
    clients: KafkaClients, opened: AsyncExitStack
) -> AIOKafkaAdminClient:
    try:
        return await opened.enter_async_context(clients.administrating())
    except (KafkaConnectionError, ValueError):  # ValueError: a false SCRAM server
        pass
    raise await diagnose(clients.connection)


async def _answer(asked: Awaitable[T], needs: str) -> T:
    """Return what Kafka answers; `needs` is the permission that this takes."""
    try:
        return await asked
    except (KafkaError, TimeoutError) as error:
        refusal = _refusal(type(error), needs, type(error).__name__)
    raise refusal


def _refusal(error: type[Exception], needs: str, words: str) -> Exception:
    if issubclass(error, _DENIED):
        return Unavailable(f"Kafka does not permit it: grant {needs} to our user")
    if issubclass(error, _NEVER):
        return RefusedByKafka(f"Kafka will not have it: {words}")
    return Unavailable(f"Kafka did not do it ({words}); try again later")


def _described(
    topics: Sequence[Mapping[str, object]],
) -> Iterator[tuple[str, TopicSize]]:
    for topic in topics:
        match topic:
            case {
                "error_code": 0,
                "topic": str(name),
                "partitions": [{"replicas": list(replicas)}, *_] as partitions,
            }:
                size = TopicSize(partitions=len(partitions), replication=len(replicas))
                yield name, size
            case _:
                pass
