"""Topics: Kafka's topics planned, made, and compared with what they must be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keyrelay.sources.kafka.topics.admin import Cluster
from keyrelay.sources.kafka.topics.layout import Topic
from keyrelay.sources.kafka.topics.plan import Plan, TopicStep, plan


class TooFewBrokers(Exception):
    """A topic cannot have more copies than there are brokers."""

    def __init__(self, *, replication: int, brokers: int) -> None:
        super().__init__(f"{replication} copies need as many brokers")
        self.replication = replication
        self.brokers = brokers


class TopicAdministrator(Protocol):
    """Each method raises Unavailable; what changes topics raises RefusedByKafka too."""

    async def look(self, names: Sequence[str]) -> Cluster:
        """Return what is there of the topics with these names."""

    async def create(self, topics: Sequence[Topic]) -> None:
        """Make the topics that are missing."""

    async def grow(self, topics: Sequence[Topic]) -> None:
        """Add partitions until each topic has as many as it must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSetup:
    administrator: TopicAdministrator

    async def plan(self, wanted: Sequence[Topic], *, grow: bool) -> Plan:
        """Return what there is to do. Raises TooFewBrokers and Unavailable.

        Partitions are added only with `grow`: that moves keys to other partitions.
        """
        cluster = await self.administrator.look([topic.name for topic in wanted])
        planned = plan(wanted, cluster, grow=grow)
        new = [each.wanted for each in planned if each.step is TopicStep.CREATE]
        most = max((topic.size.replication for topic in new), default=0)
        if most > cluster.brokers:
            raise TooFewBrokers(replication=most, brokers=cluster.brokers)
        return planned

    async def carry_out(self, planned: Plan) -> Plan:
        """Do it, and return how it is afterwards; to repeat it does no harm.

        Raises Unavailable and RefusedByKafka.
        """
        missing = [each.wanted for each in planned if each.step is TopicStep.CREATE]
        small = [each.wanted for each in planned if each.step is TopicStep.GROW]
        if missing:
            await self.administrator.create(missing)
        if small:
            await self.administrator.grow(small)
        wanted = [each.wanted for each in planned]
        cluster = await self.administrator.look([topic.name for topic in wanted])
        return plan(wanted, cluster, grow=False)
