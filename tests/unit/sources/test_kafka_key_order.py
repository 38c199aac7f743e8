"""Key order: which record of a key is next."""

from dataclasses import replace

from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.records.position import FetchPosition
from keyrelay.sources.kafka.records.record import Record
from tests.contract.queues import trigger
from tests.samples import OTHER_PROFILE
from tests.unit.sources.kafka_records import MAIN, MAIN_TOO, a_record


def of(
    id_: str, key: str | None = "k", position: FetchPosition | None = None
) -> Record:
    """Return a record; every id stands at an offset of its own."""
    offset = int.from_bytes(id_.encode(), "big")
    position = position or FetchPosition(MAIN, 0, offset)
    return replace(a_record(trigger(id_, key)), position=position)


def test_the_first_of_a_key_is_first_and_the_others_follow_in_order() -> None:
    order = KeyOrder(ordered=True)
    a, b, c = of("a"), of("b"), of("c")

    assert [order.join(each) for each in (a, b, c)] == [True, False, False]

    assert order.leave(a) == b
    assert order.leave(b) == c
    assert order.leave(c) is None
    assert order.join(of("d"))


def test_a_record_that_is_tried_again_is_still_the_first() -> None:
    order = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    order.join(a)
    order.join(b)

    tried = replace(a, arrival=replace(a.arrival, attempts=1))

    assert order.join(tried)
    assert order.leave(tried) == b


def test_no_record_leaves_in_the_place_of_another() -> None:
    order = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    order.join(a)

    assert order.leave(b) is None
    assert not order.join(b)


def test_a_record_that_never_joined_leaves_no_other() -> None:
    assert KeyOrder(ordered=True).leave(of("a")) is None


def test_other_keys_and_other_profiles_have_their_own_order() -> None:
    order = KeyOrder(ordered=True)
    theirs = replace(of("a"), trigger=trigger("a", "k", OTHER_PROFILE))

    assert all(map(order.join, (of("a"), of("b", "other"), theirs)))


def test_without_a_key_or_without_order_no_record_waits() -> None:
    assert all(map(KeyOrder(ordered=True).join, (of("a", None), of("b", None))))
    unordered = KeyOrder(ordered=False)
    assert all(map(unordered.join, (of("a"), of("b"))))
    assert unordered.leave(of("a")) is None


def test_records_of_a_lost_partition_no_longer_wait_behind_others() -> None:
    order = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    c = of("c", position=FetchPosition(MAIN_TOO, 0, 0))
    for each in (a, b, c):
        order.join(each)

    order.forget([MAIN])

    assert order.leave(a) == c
