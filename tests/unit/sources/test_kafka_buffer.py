"""The shelf: what is lent when, and what waits where."""

import asyncio
from datetime import timedelta

import pytest

from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.options import Intervals, KafkaOptions, Window
from keyrelay.sources.kafka.records.record import Record
from tests.contract.queues import SECOND, trigger
from tests.samples import MAIL_SECRET, NOON, QUEUE_SECRET
from tests.unit.sources.kafka_records import (
    HELD,
    LONG,
    MAIN,
    MAIN_TOO,
    SHORT,
    Reader,
    a_shelf,
    due,
    early,
    raw,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def shelf() -> Buffer:
    return a_shelf()


@pytest.fixture
def reader(shelf: Buffer) -> Reader:
    return Reader(shelf)


def take_one(shelf: Buffer, after: timedelta = timedelta()) -> Record:
    (record,) = shelf.take(1, NOON + after).due
    return record


# Partitions


def test_every_partition_is_asked_in_turn(shelf: Buffer, reader: Reader) -> None:
    reader.publish("a1", "a2", "a3", of=MAIN)
    reader.publish("b1", "b2", of=MAIN_TOO)

    assert due(shelf.take(4, NOON)) == ["a1", "b1", "a2", "b2"]
    assert due(shelf.take(4, NOON)) == ["a3"]


def test_lanes_that_ask_alone_get_from_every_partition_too(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("a1", "a2", "a3", of=MAIN)
    reader.publish("b1", "b2", "b3", of=MAIN_TOO)

    taken = [due(shelf.take(1, NOON)) for _ in range(4)]

    assert taken == [["a1"], ["b1"], ["a2"], ["b2"]]


def test_retries_get_their_turn_beside_whatever_was_published(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("a1", "a2", "a3")
    reader.park("retried", SHORT, due=NOON + SECOND)

    assert due(shelf.take(2, NOON + SECOND)) == ["a1", "retried"]


def test_no_more_is_taken_than_was_asked_for(shelf: Buffer, reader: Reader) -> None:
    reader.publish("a1", "a2", "a3")

    assert due(shelf.take(2, NOON)) == ["a1", "a2"]
    assert shelf.on_loan == 2


def test_with_nothing_on_it_nothing_is_taken(shelf: Buffer) -> None:
    assert not shelf.take(5, NOON)


# Time


def test_a_retry_that_is_not_due_holds_nothing_else_up(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("long", LONG, due=NOON + 10 * MINUTE)
    reader.park("short", SHORT, due=NOON + SECOND)
    reader.publish("new")

    assert due(shelf.take(5, NOON)) == ["new"]
    assert due(shelf.take(5, NOON + SECOND)) == ["short"]
    assert due(shelf.take(5, NOON + 10 * MINUTE)) == ["long"]


def test_who_is_to_wait_longer_than_its_topic_waits_on_elsewhere(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("t1", SHORT, due=NOON + 90 * SECOND)

    taking = shelf.take(5, NOON + SECOND)

    assert (due(taking), early(taking)) == ([], ["t1"])
    assert taking.early[0].due == NOON + 90 * SECOND


def test_what_is_due_in_a_moment_is_not_put_back_for_it(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("t1", SHORT, due=NOON + SECOND * 1.04)

    assert due(shelf.take(5, NOON + SECOND)) == ["t1"]


def test_a_retry_that_stands_longer_than_it_had_to_is_taken(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("t1", LONG, due=NOON + 10 * MINUTE)

    assert due(shelf.take(5, NOON + HOUR)) == ["t1"]


def test_it_says_about_how_many_could_be_lent(shelf: Buffer, reader: Reader) -> None:
    reader.publish("a", "b")
    reader.park("c", LONG, due=NOON + 10 * MINUTE)
    for record in shelf.take(2, NOON).due:
        shelf.again(record, NOON + MINUTE)

    assert shelf.due(NOON) == 0
    assert shelf.due(NOON + MINUTE) == 2
    assert shelf.due(NOON + 10 * MINUTE) == 3


# What waits for a secret


def test_what_waits_for_a_secret_waits_here_while_there_is_room(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert not shelf.take(5, NOON)
    assert shelf.due(NOON + HOUR) == 1
    assert due(shelf.take(5, NOON + HOUR)) == ["t1"]


def test_a_wake_makes_due_what_waits_for_that_secret(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("mail", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)
    reader.park("queue", HELD, due=NOON + HOUR, waits_for=QUEUE_SECRET, offset=1)
    shelf.take(5, NOON)

    shelf.wake(MAIL_SECRET, NOON + SECOND)

    assert due(shelf.take(5, NOON + SECOND)) == ["mail"]


def test_a_wake_without_a_secret_makes_due_all_that_waits_for_any(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("mail", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)
    reader.park("queue", HELD, due=NOON + HOUR, waits_for=QUEUE_SECRET, offset=1)
    reader.publish("plain")
    shelf.again(shelf.take(5, NOON).due[0], NOON + HOUR)

    shelf.wake(None, NOON + SECOND)

    assert due(shelf.take(5, NOON + SECOND)) == ["mail", "queue"]


def test_what_was_put_back_before_a_wake_goes_on_though_it_is_read_after_it(
    shelf: Buffer, reader: Reader
) -> None:
    shelf.wake(MAIL_SECRET, NOON + SECOND)
    reader.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert due(shelf.take(5, NOON + SECOND)) == ["t1"]


def test_what_was_put_back_after_a_wake_waits_for_the_next(
    shelf: Buffer, reader: Reader
) -> None:
    shelf.wake(MAIL_SECRET, NOON - SECOND)
    reader.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert not shelf.take(5, NOON)
    shelf.wake(MAIL_SECRET, NOON + SECOND)

    assert due(shelf.take(5, NOON + SECOND)) == ["t1"]


def test_without_room_what_waits_for_a_secret_goes_back_to_the_log_in_its_turn() -> (
    None
):
    shelf = a_shelf(terms=KafkaOptions(window=Window(records=4)))
    reader = Reader(shelf)
    for offset, id_ in enumerate(("t1", "t2")):
        due_ = NOON + HOUR
        reader.park(id_, HELD, due=due_, waits_for=MAIL_SECRET, offset=offset)

    assert not shelf.take(5, NOON)
    taking = shelf.take(5, NOON + shelf.terms.pace.held)

    assert early(taking) == ["t1", "t2"]


def test_without_room_a_wake_opens_what_stands_in_the_log() -> None:
    shelf = a_shelf(terms=KafkaOptions(window=Window(records=4)))
    reader = Reader(shelf)
    for offset, secret in enumerate((QUEUE_SECRET, MAIL_SECRET)):
        due_ = NOON + HOUR
        reader.park(secret, HELD, due=due_, waits_for=secret, offset=offset)

    assert not shelf.take(5, NOON)
    shelf.wake(MAIL_SECRET, NOON + SECOND)
    taking = shelf.take(5, NOON + SECOND)

    assert (due(taking), early(taking)) == ([MAIL_SECRET], [QUEUE_SECRET])


def test_what_waits_has_room_of_its_own() -> None:
    window = Window(bytes=1200)
    topics = a_shelf().topics

    shares = {name: window.bytes_for(name, topics) for name in topics.read}

    assert shares.pop("t") == 600
    assert set(shares.values()) == {100}


# The same trigger twice


def test_another_record_of_what_is_on_loan_waits_until_it_is_back(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("t1", "t1")

    first = take_one(shelf)
    assert not shelf.take(5, NOON)
    shelf.finish(first, NOON)

    assert shelf.due(NOON) == 1
    assert due(shelf.take(5, NOON)) == ["t1"]


def test_what_somebody_else_attempts_is_looked_at_again_later(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("t1")

    shelf.attempted_elsewhere(take_one(shelf), NOON)

    assert shelf.on_loan == 1
    assert not shelf.take(5, NOON)
    assert due(shelf.take(5, NOON + SECOND)) == ["t1"]
    assert shelf.on_loan == 1


# What could not be lent


def test_what_could_not_be_lent_is_lent_next(shelf: Buffer, reader: Reader) -> None:
    reader.publish("t1", "t2", "t3")

    shelf.put_back(shelf.take(2, NOON).due, NOON)

    assert shelf.on_loan == 0
    assert due(shelf.take(5, NOON)) == ["t1", "t2", "t3"]


def test_what_could_not_be_moved_is_not_lent_before_it_is_due(
    shelf: Buffer, reader: Reader
) -> None:
    reader.park("t1", SHORT, due=NOON + HOUR)

    shelf.keep(shelf.take(1, NOON + SECOND), NOON + SECOND)

    assert not shelf.take(1, NOON + SECOND)
    again = shelf.take(1, NOON + 2 * SECOND)
    assert (due(again), early(again)) == ([], ["t1"])
    shelf.keep(again, NOON + 2 * SECOND)
    assert due(shelf.take(1, NOON + HOUR)) == ["t1"]


def test_what_is_no_trigger_is_found_out_again_after_it_was_put_back(
    shelf: Buffer, reader: Reader
) -> None:
    reader.put(raw(b"{"), raw(b"[]", offset=1))

    shelf.keep(shelf.take(5, NOON), NOON)

    found = shelf.take(5, NOON).unreadable
    assert [each.fetched.raw.value for each in found] == [b"{", b"[]"]


# What is no trigger


def test_what_is_no_trigger_stops_nothing_else(shelf: Buffer, reader: Reader) -> None:
    reader.put(raw(b"not JSON"), raw(trigger("t1").encode(), offset=1))

    taking = shelf.take(5, NOON)

    assert due(taking) == ["t1"]
    (found,) = taking.unreadable
    assert "JSON" in found.reason
    assert shelf.on_loan == 1


# Partitions that are lost


def test_what_is_no_longer_ours_is_never_lent(shelf: Buffer, reader: Reader) -> None:
    reader.publish("t1", "t2", of=MAIN)
    reader.publish("u1", of=MAIN_TOO)
    shelf.again(take_one(shelf), NOON)

    reader.revoke(MAIN)

    assert due(shelf.take(5, NOON)) == ["u1"]


def test_a_stale_record_is_passed_over_wherever_it_stands(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("t1", "t2", of=MAIN)
    shelf.again(take_one(shelf), NOON)

    shelf.positions.revoke(MAIN)

    assert not shelf.take(5, NOON)


def test_what_is_read_again_waits_for_the_loan_that_is_still_out(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("t1")
    late = take_one(shelf)
    reader.revoke(MAIN)
    reader.publish("t1")

    assert not shelf.take(5, NOON)
    shelf.finish(late, NOON)

    again = take_one(shelf, SECOND)
    assert shelf.positions.is_current(again.mark)


async def test_a_revocation_waits_for_what_is_on_loan(
    shelf: Buffer, reader: Reader
) -> None:
    reader.publish("t1", of=MAIN)
    reader.publish("u1", of=MAIN_TOO)
    first, other = shelf.take(2, NOON).due

    waiting = asyncio.create_task(shelf.returned_from([MAIN]))
    await asyncio.sleep(0)
    shelf.again(first, NOON)

    await waiting
    assert shelf.on_loan == 1
    shelf.finish(other, NOON)
    await shelf.returned_from([MAIN, MAIN_TOO])


# Order


@pytest.fixture
def ordered() -> Buffer:
    return a_shelf(
        ordered=True, terms=KafkaOptions(ordered=True, pace=Intervals(busy=SECOND))
    )


def test_triggers_of_a_key_are_lent_one_after_the_other(ordered: Buffer) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")
    reader.publish("b1", key="b", at=2)
    reader.publish("free", at=3)

    taking = ordered.take(5, NOON)
    assert due(taking) == ["a1", "b1", "free"]
    ordered.finish(taking.due[0], NOON)

    assert due(ordered.take(5, NOON)) == ["a2"]


def test_a_retried_trigger_stays_the_first_of_its_line(ordered: Buffer) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")
    reader.publish("b1", "b2", key="b", at=2)
    first_a, first_b = ordered.take(5, NOON).due

    ordered.again(first_a, NOON + MINUTE)
    ordered.finish(first_b, NOON)

    assert due(ordered.take(5, NOON)) == ["b2"]
    assert due(ordered.take(5, NOON + MINUTE)) == ["a1"]


def test_what_could_not_be_lent_stays_the_first_of_its_line(ordered: Buffer) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")

    ordered.put_back(ordered.take(5, NOON).due, NOON)

    assert due(ordered.take(5, NOON)) == ["a1"]


def test_after_a_revocation_nobody_is_lent_before_who_was_to_be_tried_again(
    ordered: Buffer,
) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")
    (first,) = ordered.take(5, NOON).due
    ordered.again(first, NOON + MINUTE)

    ordered.forget([MAIN], NOON)  # the partition is to leave; it is still ours

    assert not ordered.take(5, NOON + MINUTE)


def test_between_revocation_and_return_a_line_keeps_its_order(ordered: Buffer) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")
    late = take_one(ordered)
    reader.revoke(MAIN)
    reader.publish("a1", "a2", key="a")

    assert not ordered.take(5, NOON)
    ordered.finish(late, NOON)
    again = take_one(ordered, SECOND)
    assert again.trigger.id == "a1"
    assert not ordered.take(5, NOON + SECOND)
    ordered.finish(again, NOON + SECOND)

    assert due(ordered.take(5, NOON + SECOND)) == ["a2"]


def test_a_late_retry_gives_way_to_the_record_that_was_read_again(
    ordered: Buffer,
) -> None:
    reader = Reader(ordered)
    reader.publish("a1", "a2", key="a")
    late = take_one(ordered)
    reader.revoke(MAIN)
    reader.publish("a1", "a2", key="a")

    ordered.again(late, NOON + MINUTE)

    assert not ordered.take(5, NOON)
    again = take_one(ordered, MINUTE)
    assert ordered.positions.is_current(again.mark)


def test_of_two_partitions_a_line_goes_on_with_the_one_that_stays(
    ordered: Buffer,
) -> None:
    reader = Reader(ordered)
    reader.publish("a1", of=MAIN, key="a")
    reader.publish("a2", of=MAIN_TOO, key="a")
    ordered.again(take_one(ordered), NOON + MINUTE)

    assert not ordered.take(5, NOON)
    reader.revoke(MAIN)

    assert due(ordered.take(5, NOON)) == ["a2"]


def test_keyed_triggers_parked_before_order_was_asked_for_join_their_line_when_due(
    ordered: Buffer,
) -> None:
    reader = Reader(ordered)
    reader.park("a1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET, key="a")
    assert not ordered.take(5, NOON)
    reader.publish("a2", key="a")
    second = take_one(ordered)

    assert not ordered.take(5, NOON + HOUR)
    ordered.finish(second, NOON + HOUR)

    first = take_one(ordered, HOUR)
    ordered.finish(first, NOON + HOUR)
    assert first.trigger.id == "a1"
    assert ordered.on_loan == 0
