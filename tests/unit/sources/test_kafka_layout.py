"""Layout: which topics there must be, and how one that exists may be worse."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.model.trigger import LARGEST_TRIGGER, Trigger
from keyrelay.sources.kafka.records.size import LARGEST_PUBLISHED, LARGEST_RECORD
from keyrelay.sources.kafka.topics.admin import Cluster
from keyrelay.sources.kafka.topics.layout import (
    Topic,
    TopicSize,
    deviations,
    wanted_topics,
)
from keyrelay.sources.kafka.topics.names import Topics
from keyrelay.sources.kafka.topics.plan import TopicStep, plan
from tests.samples import MAIL_ACTION, ORIGIN

TOPICS = Topics(main="t")
SIZE = TopicSize(partitions=12, replication=3)
WANTED = wanted_topics(TOPICS, SIZE)
MAIN = WANTED[0]


def differing(settings: Mapping[str, str]) -> Topic:
    return replace(MAIN, settings={**MAIN.settings, **settings})


def test_there_is_a_topic_for_each_stage_of_a_trigger() -> None:
    assert [topic.name for topic in WANTED] == [*TOPICS.read, TOPICS.dead]


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_of_three_replicas_two_must_have_a_record(
    replication: int, in_sync: str
) -> None:
    wanted = wanted_topics(TOPICS, TopicSize(partitions=1, replication=replication))

    assert {topic.settings["min.insync.replicas"] for topic in wanted} == {in_sync}


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.just("\x7f" * 99))
def test_the_longest_trigger_has_room_where_workers_put_it(text: str) -> None:
    raw = json.dumps(
        {"action": MAIL_ACTION, "data": {"value": text}}, ensure_ascii=False
    ).encode()
    grown = len(Trigger.parse(raw, ORIGIN).encode()) - len(raw)

    # What grows is the text; the rest, names and instants, is a few hundred bytes.
    assert grown <= 5 * len(text.encode()) + 400
    assert LARGEST_PUBLISHED >= 6 * LARGEST_TRIGGER + 64 * 1024
    assert LARGEST_RECORD >= LARGEST_PUBLISHED + 64 * 1024


def test_what_is_as_wanted_or_better_does_not_deviate() -> None:
    better = differing({"retention.ms": "-1", "max.message.bytes": "99999999"})
    more = replace(better, size=TopicSize(partitions=13, replication=4))

    assert [*deviations(MAIN, MAIN), *deviations(MAIN, more)] == []


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("retention.ms", "604799999", "at least 604800000"),
        ("retention.ms", "", "at least 604800000"),
        ("retention.bytes", "1073741824", "-1"),
        ("max.message.bytes", "1048588", "at least 7340032"),
        ("message.timestamp.type", "LogAppendTime", "CreateTime"),
        ("min.insync.replicas", "1", "at least 2"),
    ],
)
def test_each_setting_that_is_worse_deviates(
    name: str, value: str, wanted: str
) -> None:
    (deviation,) = deviations(MAIN, differing({name: value}))

    assert str(deviation) == f"topic t: {name} is {value}, and must be {wanted}"


def test_a_setting_that_is_not_known_deviates() -> None:
    (deviation,) = deviations(
        MAIN, replace(MAIN, settings={**MAIN.settings, "retention.ms": "not known"})
    )

    assert "retention.ms is not known" in str(deviation)


def test_fewer_partitions_and_replicas_deviate() -> None:
    found = replace(MAIN, size=TopicSize(partitions=11, replication=2))

    assert [str(deviation) for deviation in deviations(MAIN, found)] == [
        "topic t: partitions is 11, and must be at least 12",
        "topic t: replication is 2, and must be at least 3",
    ]


@pytest.mark.parametrize(
    ("partitions", "grow", "step"),
    [
        (None, False, TopicStep.CREATE),
        (None, True, TopicStep.CREATE),
        (11, False, TopicStep.LEAVE),
        (11, True, TopicStep.GROW),
        (12, True, TopicStep.LEAVE),
        (13, True, TopicStep.LEAVE),
    ],
)
def test_what_is_missing_is_made_and_only_what_is_told_to_grow_grows(
    *, partitions: int | None, grow: bool, step: TopicStep
) -> None:
    there = (
        {}
        if partitions is None
        else {"t": replace(MAIN, size=replace(SIZE, partitions=partitions))}
    )

    (planned,) = plan([MAIN], Cluster(brokers=3, topics=there), grow=grow)

    assert planned.step is step
