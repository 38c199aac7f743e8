import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.sqs.batches import (
    LARGEST,
    BatchEntry,
    pack,
    prepare,
    too_large,
)
from keyrelay.dispatchers.sqs.instruction import QueueMessage
from keyrelay.model.outcome import Fault, Rejected

MESSAGE = QueueMessage(
    part="0",
    body="hello",
    group_id="pump-7",
    deduplication_id="t1.p1.0",
    delay=None,
    attributes=(),
)


def prepared(message: QueueMessage, *, fifo: bool = False) -> BatchEntry:
    entry = prepare(message, fifo=fifo)
    assert isinstance(entry, BatchEntry)
    return entry


def refused(message: QueueMessage, *, fifo: bool = False) -> Rejected:
    entry = prepare(message, fifo=fifo)
    assert isinstance(entry, Rejected)
    return entry


def test_a_standard_queue_gets_group_and_delay_and_no_deduplication_id() -> None:
    entry = prepared(replace(MESSAGE, delay=timedelta(minutes=2)))

    assert entry.fields == {
        "MessageBody": "hello",
        "MessageGroupId": "pump-7",
        "DelaySeconds": 120,
    }


def test_a_fifo_queue_gets_group_and_deduplication_id_and_no_delay() -> None:
    entry = prepared(replace(MESSAGE, delay=timedelta(minutes=2)), fifo=True)

    assert entry.fields == {
        "MessageBody": "hello",
        "MessageGroupId": "pump-7",
        "MessageDeduplicationId": "t1.p1.0",
    }


def test_attributes_are_strings_and_those_without_a_value_are_left_out() -> None:
    entry = prepared(replace(MESSAGE, attributes=(("unit", "°C"), ("empty", ""))))

    assert entry.fields["MessageAttributes"] == {
        "unit": {"DataType": "String", "StringValue": "°C"}
    }


def test_without_attributes_there_is_no_such_field() -> None:
    assert "MessageAttributes" not in prepared(MESSAGE).fields


def test_the_size_counts_body_and_attributes_names_types_and_values() -> None:
    entry = prepared(replace(MESSAGE, body="grüß", attributes=(("unit", "°C"),)))

    assert entry.size == 6 + len("unit") + len("String") + 3


def test_an_empty_body_is_refused() -> None:
    assert refused(replace(MESSAGE, body="")).fault is Fault.TRIGGER


@pytest.mark.parametrize(
    "character",
    [
        "\0",
        "\x08",
        "\x0b",
        "\x0c",
        "\x0e",
        "\x1f",
        "\ud800",
        "\ufffe",
        "\uffff",
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_characters_that_sqs_refuses_are_refused(character: str) -> None:
    in_body = replace(MESSAGE, body=f"a{character}b")
    in_attribute = replace(MESSAGE, attributes=(("name", f"a{character}"),))

    assert refused(in_body).fault is Fault.TRIGGER
    assert refused(in_attribute).fault is Fault.TRIGGER


@pytest.mark.parametrize(
    "character",
    [
        "\t",
        "\n",
        "\r",
        " ",
        "\x7f",
        "\x85",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "😀",
        "\U0010ffff",
    ],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_characters_that_sqs_takes_pass(character: str) -> None:
    assert prepared(replace(MESSAGE, body=character)).fields["MessageBody"] == character


ILLEGAL_IDS = ["", "a b", "a\n", "grün", "a" * 129]


@pytest.mark.parametrize("group", ILLEGAL_IDS)
def test_a_fifo_queue_refuses_a_group_that_is_not_legal(group: str) -> None:
    assert refused(replace(MESSAGE, group_id=group), fifo=True).fault is Fault.TRIGGER


@pytest.mark.parametrize("group", [*ILLEGAL_IDS, None])
def test_a_standard_queue_does_without_a_group_that_is_not_legal(
    group: str | None,
) -> None:
    assert prepared(replace(MESSAGE, group_id=group)).fields == {"MessageBody": "hello"}


def test_a_fifo_queue_without_a_group_is_the_definitions_fault() -> None:
    answer = refused(replace(MESSAGE, group_id=None), fifo=True)

    assert answer.fault is Fault.DEFINITION
    assert "group_id" in answer.reason


@pytest.mark.parametrize("id_", ["a", "!~", "a" * 128])
def test_a_legal_deduplication_id_is_kept(id_: str) -> None:
    entry = prepared(replace(MESSAGE, deduplication_id=id_), fifo=True)

    assert entry.fields["MessageDeduplicationId"] == id_


@pytest.mark.parametrize("id_", ["a b", "ü", "a" * 129])
def test_another_deduplication_id_is_hashed(id_: str) -> None:
    entry = prepared(replace(MESSAGE, deduplication_id=id_), fifo=True)

    hashed = hashlib.sha256(id_.encode()).hexdigest()
    assert entry.fields["MessageDeduplicationId"] == hashed


def test_an_empty_deduplication_id_is_refused_as_sqs_would_drop_messages() -> None:
    message = replace(MESSAGE, deduplication_id="")

    assert refused(message, fifo=True).fault is Fault.TRIGGER
    assert prepared(message)


def test_a_message_larger_than_the_queue_takes_is_refused() -> None:
    entry = BatchEntry(fields={}, size=1025)

    assert too_large(entry, 1025) is None
    answer = too_large(entry, 1024)
    assert answer is not None
    assert answer.fault is Fault.TRIGGER
    assert "1025" in answer.reason


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ([], []),
        ([1], [range(1)]),
        ([1] * 10, [range(10)]),
        ([1] * 11, [range(10), range(10, 11)]),
        ([LARGEST], [range(1)]),
        ([LARGEST, 1], [range(1), range(1, 2)]),
        ([LARGEST - 1, 1], [range(2)]),
        ([1, LARGEST, 1], [range(1), range(1, 2), range(2, 3)]),
    ],
)
def test_entries_are_packed_into_calls(sizes: list[int], calls: list[range]) -> None:
    assert pack(sizes) == calls


SIZES = st.lists(
    st.one_of(
        st.integers(min_value=1, max_value=2000),
        st.integers(min_value=1, max_value=LARGEST),
    ),
    max_size=60,
)


@given(SIZES)
def test_packing_loses_nothing_keeps_the_order_and_never_exceeds_a_limit(
    sizes: Sequence[int],
) -> None:
    calls = pack(sizes)

    assert [position for call in calls for position in call] == list(range(len(sizes)))
    assert all(1 <= len(call) <= 10 for call in calls)
    assert all(sum(sizes[n] for n in call) <= LARGEST for call in calls)


@given(SIZES)
def test_packing_starts_a_call_only_when_the_one_before_is_full(
    sizes: Sequence[int],
) -> None:
    calls = pack(sizes)

    for before, after in pairwise(calls):
        total = sum(sizes[n] for n in before) + sizes[after[0]]
        assert len(before) == 10 or total > LARGEST
