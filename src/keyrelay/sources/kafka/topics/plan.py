"""Plan: what is done about topics that are missing or too small.

Topics are created and partitions added. Nothing is deleted, and no setting of a topic
that exists is changed: the client library can only replace all settings of a topic at
once (AlterConfigs), and would reset those that an administrator has made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyrelay.sources.kafka.topics.admin import Cluster
from keyrelay.sources.kafka.topics.layout import Deviation, Topic, deviations


class TopicStep(StrEnum):
    """What is done about a topic."""

    CREATE = "create"
    GROW = "grow"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """`found` is the topic as it is; None, it is missing."""

    wanted: Topic
    found: Topic | None
    step: TopicStep

    @property
    def deviations(self) -> Sequence[Deviation]:
        """Return what is wrong with the topic that was found."""
        return list(deviations(self.wanted, self.found)) if self.found else ()


Plan = Sequence[Planned]


def plan(wanted: Sequence[Topic], cluster: Cluster, *, grow: bool) -> Plan:
    found = {topic.name: cluster.topics.get(topic.name) for topic in wanted}
    return [
        Planned(
            wanted=topic,
            found=found[topic.name],
            step=_step(topic, found[topic.name], grow=grow),
        )
        for topic in wanted
    ]


def _step(wanted: Topic, found: Topic | None, *, grow: bool) -> TopicStep:
    if found is None:
        return TopicStep.CREATE
    fewer = found.size.partitions < wanted.size.partitions
    return TopicStep.GROW if grow and fewer else TopicStep.LEAVE
