"""Records: what a worker writes is read back, and anything else is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.structs import ConsumerRecord, TopicPartition
from hypothesis import example, given
from hypothesis import strategies as st

from keyrelay.model.claim import Arrival
from keyrelay.model.trigger import MalformedTrigger, Trigger
from keyrelay.sources.kafka.records.headers import (
    accepted_headers,
    dead_headers,
    parked_headers,
)
from keyrelay.sources.kafka.records.made_up_ids import timestamp_of
from keyrelay.sources.kafka.records.position import (
    FetchPosition,
    TopicPartitionOffset,
)
from keyrelay.sources.kafka.records.record import (
    FetchedRecord,
    Record,
    Wait,
    read_parked,
    read_published,
)
from keyrelay.sources.kafka.records.size import size_of
from tests.contract.queues import SECOND, trigger
from tests.samples import (
    DAY,
    MAIL_ACTION,
    MAIL_SECRET,
    NOON,
    OTHER_PROFILE,
    PROFILE,
    REVISION,
)
from tests.samples import ORIGIN as ORIGIN_OF_ALL
from tests.unit.sources.kafka_records import (
    MAIN,
    ORIGIN,
    SHORT,
    milliseconds,
    parked,
    raw,
)

POSITION = FetchPosition(SHORT, 0, 0)
COUNTS = st.integers(0, 999_999_999)
INSTANTS = st.datetimes(timezones=st.just(UTC))
HEADERS = parked(trigger(), due=NOON + DAY, waits_for=MAIL_SECRET)
REASON, WAITS_FOR = "keyrelay-reason", "keyrelay-waits-for"
NAMES = [name for name, _ in HEADERS]
TRIGGER = trigger().encode()
BARE = json.dumps({"action": MAIL_ACTION}).encode()


def fetched(record: ConsumerRecord, at: datetime = NOON) -> FetchedRecord:
    return FetchedRecord(record, POSITION, min(at, timestamp_of(record)))


def published(
    *,
    of: TopicPartition = MAIN,
    offset: int = 0,
    timestamp: int = milliseconds(NOON),
) -> Trigger:
    """Read a trigger of which its producer wrote no more than it has to."""
    record = raw(BARE, of=of, offset=offset, timestamp=timestamp)
    return read_published(fetched(record), PROFILE).trigger


def without(name: str) -> list[tuple[str, bytes]]:
    return [header for header in HEADERS if header[0] != name]


# What workers write


@given(
    generation=COUNTS,
    sequence=COUNTS,
    attempts=COUNTS,
    cut=st.booleans(),
    done=st.frozensets(st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    due=INSTANTS,
    waits_for=st.sampled_from([None, MAIL_SECRET]),
)
def test_what_is_put_back_is_read_back(
    generation: int,
    sequence: int,
    attempts: int,
    done: frozenset[str],
    due: datetime,
    waits_for: str | None,
    *,
    cut: bool,
) -> None:
    arrival = Arrival(
        profile=PROFILE,
        id="t1",
        generation=generation,
        sequence=sequence,
        attempts=attempts,
        cut=cut,
        done=done,
    )
    wait = Wait(due, waits_for)

    life = replace(trigger().lifetime, dated_at=due, revision=REVISION)

    headers = parked_headers(arrival, ORIGIN, wait, "451 later", life)
    read = read_parked(fetched(raw(TRIGGER, of=SHORT, headers=headers)))

    assert read.trigger.lifetime.dated_at == due
    assert read.trigger.lifetime.revision == REVISION
    assert read == Record(
        trigger=trigger(),
        arrival=arrival,
        origin=ORIGIN,
        position=POSITION,
        written_at=NOON,
        wait=wait,
    )


def test_what_is_accepted_bears_the_revision_of_the_definitions() -> None:
    headers = accepted_headers(trigger().under(REVISION))

    read = read_published(fetched(raw(TRIGGER, headers=headers)), PROFILE)

    assert read.trigger.lifetime.revision == REVISION


@pytest.mark.parametrize(
    "headers",
    [(), [("keyrelay-revision", None)], [("keyrelay-revision", b"\xff/1")]],
    ids=["none", "null", "no text"],
)
def test_what_producers_publish_bears_no_revision(
    headers: Sequence[tuple[str, bytes | None]],
) -> None:
    read = read_published(fetched(raw(TRIGGER, headers=headers)), PROFILE)

    assert accepted_headers(read.trigger) == []
    assert read.trigger.lifetime.revision is None


def test_a_buried_one_says_why_whose_fault_and_where_it_came_from() -> None:
    said = dict(
        dead_headers(TopicPartitionOffset("a/b", 1, 2), "sent nonsense ☂", "trigger", 3)
    )

    assert said == {
        "keyrelay-reason": "sent nonsense ☂".encode(),
        "keyrelay-fault": b"trigger",
        "keyrelay-attempts": b"3",
        "keyrelay-origin": b"a/b/1/2",
    }


def test_a_topic_may_be_called_anything() -> None:
    headers = [*without("keyrelay-origin"), ("keyrelay-origin", b"a/b/1/2")]

    read = read_parked(fetched(raw(TRIGGER, headers=headers)))

    assert read.origin == TopicPartitionOffset("a/b", 1, 2)


# What no worker wrote


@given(
    name=st.sampled_from([*NAMES, "keyrelay-dated"]),
    value=st.none() | st.binary(max_size=50) | st.integers().map(lambda n: b"%d" % n),
)
@example(name="keyrelay-life", value=b"-1")
@example(name="keyrelay-turn", value=b"2147483648")
@example(name="keyrelay-attempts", value=b"9" * 5000)
@example(name="keyrelay-done", value=b"[" * 100_000)
@example(name="keyrelay-done", value=b'"ada"')
@example(name="keyrelay-done", value=b"[1]")
@example(name="keyrelay-done", value=b'["\\u0000"]')
@example(name="keyrelay-done", value=b'["\\ud800"]')
@example(name="keyrelay-due", value=b"2030-01-01T12:00:00")
@example(name="keyrelay-due", value=b"0001-01-01T00:00:00+23:59")
@example(name="keyrelay-dated", value=b"yesterday")
@example(name="keyrelay-dated", value=None)
@example(name="keyrelay-origin", value=b"somewhere")
@example(name="keyrelay-waits-for", value=b"\xff")
def test_garbage_in_a_header_is_read_safely_or_refused(
    name: str, value: bytes | None
) -> None:
    record = raw(TRIGGER, of=SHORT, headers=[*without(name), (name, value)])
    try:
        read = read_parked(fetched(record))
    except MalformedTrigger:
        return
    assert read.wait is not None
    assert read.wait.until.tzinfo is UTC
    assert 0 <= read.arrival.generation < 2**31
    assert 0 <= read.arrival.attempts < 2**31
    assert "\0" not in "".join(read.arrival.done).encode().decode()


@pytest.mark.parametrize("name", sorted({*NAMES} - {REASON, WAITS_FOR}))
def test_without_one_of_its_headers_nothing_was_put_back(name: str) -> None:
    with pytest.raises(MalformedTrigger):
        read_parked(fetched(raw(TRIGGER, of=SHORT, headers=without(name))))


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"\xff", b'{"id": "t1"}'])
def test_a_value_that_is_no_trigger_is_refused_wherever_it_stands(
    value: bytes | None,
) -> None:
    with pytest.raises(MalformedTrigger):
        read_published(fetched(raw(value)), PROFILE)
    with pytest.raises(MalformedTrigger):
        read_parked(fetched(raw(value, of=SHORT, headers=HEADERS)))


@given(
    value=st.binary(), headers=st.lists(st.tuples(st.text(), st.none() | st.binary()))
)
def test_whatever_is_published_is_a_trigger_or_refused(
    value: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    with pytest.raises(MalformedTrigger):
        read_published(fetched(raw(value, headers=headers)), PROFILE)


# What producers leave out


def test_a_trigger_was_raised_when_it_was_written_whenever_it_is_read() -> None:
    early, late = (
        read_published(fetched(raw(BARE), at=NOON + later), PROFILE)
        for later in (timedelta(), timedelta(hours=1))
    )

    assert early.trigger == late.trigger
    assert early.trigger.lifetime.raised_at == NOON


def test_a_trigger_of_another_profile_is_refused() -> None:
    theirs = trigger(profile=OTHER_PROFILE).encode()

    with pytest.raises(MalformedTrigger):
        read_published(fetched(raw(theirs)), PROFILE)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (milliseconds(NOON), NOON),
        (-1, datetime(1970, 1, 1, tzinfo=UTC)),
        (-(2**63), datetime(1970, 1, 1, tzinfo=UTC)),
        (2**63 - 1, datetime.max.replace(tzinfo=UTC)),
        (253402300800000, datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_any_number_is_some_time(timestamp: int, at: datetime) -> None:
    assert timestamp_of(raw(None, timestamp=timestamp)) == at


@pytest.mark.parametrize("timestamp", [-1, -(2**63), 0, milliseconds(NOON)])
def test_a_trigger_of_any_age_has_its_lifetime(timestamp: int) -> None:
    lifetime = published(timestamp=timestamp).lifetime

    assert lifetime.deadline - lifetime.raised_at == DAY


@pytest.mark.parametrize("ahead", [SECOND, DAY, 3 * DAY, 400 * DAY])
def test_the_deadline_does_not_count_from_a_clock_that_is_ahead(
    ahead: timedelta,
) -> None:
    lifetime = published(timestamp=milliseconds(NOON + ahead)).lifetime

    assert lifetime.raised_at == NOON + ahead
    assert lifetime.deadline == NOON + max(ahead, DAY)


@pytest.mark.parametrize("timestamp", [2**63 - 1, 253402300799999])
def test_a_trigger_from_the_end_of_time_can_be_read_again(timestamp: int) -> None:
    trigger = published(timestamp=timestamp)

    assert Trigger.parse(trigger.encode(), ORIGIN_OF_ALL) == trigger


# Memory


def test_all_that_a_record_carries_counts() -> None:
    small = size_of(raw(None))

    assert size_of(raw(b"x" * 1000)) - small == 1000
    assert size_of(raw(None, key=b"k" * 10)) - small == 10
    assert size_of(raw(None, headers=[("n", b"v" * 5000), ("m", None)])) - small > 5000
