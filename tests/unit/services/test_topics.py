"""Topics: nothing is planned that Kafka cannot do, and nothing done that was not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from keyrelay.services.topics import TooFewBrokers, TopicSetup
from keyrelay.sources.kafka.topics.admin import Cluster
from keyrelay.sources.kafka.topics.layout import Topic, TopicSize, wanted_topics
from keyrelay.sources.kafka.topics.names import Topics
from keyrelay.sources.kafka.topics.plan import TopicStep

NAMES = Topics(main="t")
FEW = wanted_topics(NAMES, TopicSize(partitions=2, replication=1))
MANY = wanted_topics(NAMES, TopicSize(partitions=12, replication=1))
SAFE = wanted_topics(NAMES, TopicSize(partitions=2, replication=3))


@dataclass(slots=True, kw_only=True)
class FakeKafka:
    """A cluster of so many brokers; `done` is what it was told to do, in order."""

    brokers: int = 1
    topics: dict[str, Topic] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    async def look(self, names: Sequence[str]) -> Cluster:
        found: Mapping[str, Topic] = {
            name: topic for name, topic in self.topics.items() if name in names
        }
        return Cluster(brokers=self.brokers, topics=found)

    async def create(self, topics: Sequence[Topic]) -> None:
        self.done += [f"create {topic.name}" for topic in topics]
        self.topics |= {topic.name: topic for topic in topics}

    async def grow(self, topics: Sequence[Topic]) -> None:
        self.done += [f"grow {topic.name}" for topic in topics]
        for topic in topics:
            there = self.topics[topic.name]
            partitions = topic.size.partitions
            size = replace(there.size, partitions=partitions)
            self.topics[topic.name] = replace(there, size=size)


async def make(kafka: FakeKafka, topics: Sequence[Topic]) -> None:
    setup = TopicSetup(administrator=kafka)
    await setup.carry_out(await setup.plan(topics, grow=False))
    kafka.done.clear()


async def test_missing_topics_are_made_and_then_there_is_nothing_left_to_do() -> None:
    kafka = FakeKafka()
    setup = TopicSetup(administrator=kafka)

    before = await setup.plan(FEW, grow=False)
    after = await setup.carry_out(before)

    assert {each.step for each in before} == {TopicStep.CREATE}
    assert kafka.done == [f"create {topic.name}" for topic in FEW]
    assert all(each.found == each.wanted for each in after)
    assert {each.step for each in after} == {TopicStep.LEAVE}


@pytest.mark.parametrize(
    ("grow", "done"), [(False, []), (True, [f"grow {topic.name}" for topic in MANY])]
)
async def test_partitions_are_added_only_when_asked(
    *, grow: bool, done: Sequence[str]
) -> None:
    kafka = FakeKafka()
    await make(kafka, FEW)
    setup = TopicSetup(administrator=kafka)

    after = await setup.carry_out(await setup.plan(MANY, grow=grow))

    assert kafka.done == done
    assert any(each.deviations for each in after) is not grow


async def test_a_topic_cannot_have_more_copies_than_there_are_brokers() -> None:
    kafka = FakeKafka(brokers=2)

    with pytest.raises(TooFewBrokers) as fault:
        await TopicSetup(administrator=kafka).plan(SAFE, grow=False)

    assert (fault.value.replication, fault.value.brokers) == (3, 2)
    assert kafka.topics == {}


async def test_topics_that_are_there_are_compared_whatever_brokers_are_up() -> None:
    kafka = FakeKafka(brokers=3)
    await make(kafka, SAFE)
    kafka.brokers = 2

    planned = await TopicSetup(administrator=kafka).plan(SAFE, grow=False)

    assert [each.deviations for each in planned] == [[]] * len(SAFE)
