"""Lines: who of a key is next."""

from dataclasses import replace

from keyrelay.sources.kafka.buffer.key_order import KeyOrder
from keyrelay.sources.kafka.buffer.positions import Mark
from keyrelay.sources.kafka.records.record import Record
from tests.contract.queues import trigger
from tests.samples import OTHER_PROFILE
from tests.unit.sources.kafka_records import MAIN, MAIN_TOO, a_record


def of(id_: str, key: str | None = "k", mark: Mark | None = None) -> Record:
    """Return a record; every id stands at an offset of its own."""
    offset = int.from_bytes(id_.encode(), "big")
    return replace(a_record(trigger(id_, key)), mark=mark or Mark(MAIN, 0, offset))


def test_the_first_of_a_key_is_first_and_the_others_follow_in_order() -> None:
    lines = KeyOrder(ordered=True)
    a, b, c = of("a"), of("b"), of("c")

    assert [lines.join(each) for each in (a, b, c)] == [True, False, False]

    assert lines.leave(a) == b
    assert lines.leave(b) == c
    assert lines.leave(c) is None
    assert lines.join(of("d"))


def test_who_comes_back_is_still_the_first() -> None:
    lines = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    lines.join(a)
    lines.join(b)

    tried = replace(a, arrival=replace(a.arrival, attempts=1))

    assert lines.join(tried)
    assert lines.leave(tried) == b


def test_nobody_leaves_in_the_place_of_another() -> None:
    lines = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    lines.join(a)

    assert lines.leave(b) is None
    assert not lines.join(b)


def test_who_is_not_in_line_leaves_none() -> None:
    assert KeyOrder(ordered=True).leave(of("a")) is None


def test_other_keys_and_other_profiles_are_other_lines() -> None:
    lines = KeyOrder(ordered=True)
    theirs = replace(of("a"), trigger=trigger("a", "k", OTHER_PROFILE))

    assert all(map(lines.join, (of("a"), of("b", "other"), theirs)))


def test_without_a_key_or_without_order_nobody_waits() -> None:
    assert all(map(KeyOrder(ordered=True).join, (of("a", None), of("b", None))))
    unordered = KeyOrder(ordered=False)
    assert all(map(unordered.join, (of("a"), of("b"))))
    assert unordered.leave(of("a")) is None


def test_those_of_a_lost_partition_no_longer_wait_behind_others() -> None:
    lines = KeyOrder(ordered=True)
    a, b = of("a"), of("b")
    c = of("c", mark=Mark(MAIN_TOO, 0, 0))
    for each in (a, b, c):
        lines.join(each)

    lines.forget([MAIN])

    assert lines.leave(a) == c
