"""The buffer: when a record may be lent, and where it waits until then."""

from datetime import timedelta

import pytest
from aiokafka.structs import TopicPartition

from keyrelay.model.settlement import LONGEST_WAIT
from keyrelay.sources.kafka.buffer.buffer import Buffer
from keyrelay.sources.kafka.options import Intervals, KafkaOptions, Window
from keyrelay.sources.kafka.records.record import Record, Wait
from tests.contract.queues import SECOND, trigger
from tests.fakes import begun
from tests.samples import MAIL_SECRET, NOON, QUEUE_SECRET
from tests.unit.sources.kafka_records import (
    HELD,
    LONG,
    MAIN,
    MAIN_TOO,
    SHORT,
    Feed,
    a_buffer,
    due,
    early,
    parked,
    raw,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def buffer() -> Buffer:
    return a_buffer()


@pytest.fixture
def feed(buffer: Buffer) -> Feed:
    return Feed(buffer)


def draw_one(buffer: Buffer, after: timedelta = timedelta()) -> Record:
    (record,) = buffer.draw(1, NOON + after).due
    return record


# Partitions


def test_every_partition_is_asked_in_turn(buffer: Buffer, feed: Feed) -> None:
    feed.publish("a1", "a2", "a3", of=MAIN)
    feed.publish("b1", "b2", of=MAIN_TOO)

    assert due(buffer.draw(4, NOON)) == ["a1", "b1", "a2", "b2"]
    assert due(buffer.draw(4, NOON)) == ["a3"]


def test_lanes_that_ask_alone_get_from_every_partition_too(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("a1", "a2", "a3", of=MAIN)
    feed.publish("b1", "b2", "b3", of=MAIN_TOO)

    drawn = [due(buffer.draw(1, NOON)) for _ in range(4)]

    assert drawn == [["a1"], ["b1"], ["a2"], ["b2"]]


def test_retries_get_their_turn_beside_whatever_was_published(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("a1", "a2", "a3")
    feed.park("retried", SHORT, due=NOON + SECOND)

    assert due(buffer.draw(2, NOON + SECOND)) == ["a1", "retried"]


def test_no_more_is_drawn_than_was_asked_for(buffer: Buffer, feed: Feed) -> None:
    feed.publish("a1", "a2", "a3")

    assert due(buffer.draw(2, NOON)) == ["a1", "a2"]
    assert buffer.on_loan == 2


def test_from_an_empty_buffer_nothing_is_drawn(buffer: Buffer) -> None:
    assert not buffer.draw(5, NOON)


# Time


def test_a_retry_that_is_not_due_holds_nothing_else_up(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("long", LONG, due=NOON + 10 * MINUTE)
    feed.park("short", SHORT, due=NOON + SECOND)
    feed.publish("new")

    assert due(buffer.draw(5, NOON)) == ["new"]
    assert due(buffer.draw(5, NOON + SECOND)) == ["short"]
    assert due(buffer.draw(5, NOON + 10 * MINUTE)) == ["long"]


def test_what_is_due_at_once_does_not_wait_for_the_delay_of_its_topic(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("redriven", SHORT, due=NOON)

    assert due(buffer.draw(5, NOON)) == ["redriven"]


@pytest.mark.parametrize("due_header", [b"soon", b"\xff", None])
def test_a_retry_that_does_not_say_when_it_is_due_waits_for_its_topic(
    buffer: Buffer, feed: Feed, due_header: bytes | None
) -> None:
    damaged = trigger("damaged")
    headers = [
        (name, due_header if name.endswith("due") else value)
        for name, value in parked(damaged, due=NOON)
    ]
    feed.put(raw(damaged.encode(), of=SHORT, offset=0, headers=headers))

    assert buffer.draw(5, NOON).malformed == []
    assert len(buffer.draw(5, NOON + SECOND).malformed) == 1


def test_a_retry_that_is_to_wait_longer_than_its_topic_waits_on_in_another(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("t1", SHORT, due=NOON + 90 * SECOND)

    drawn = buffer.draw(5, NOON + SECOND)

    assert (due(drawn), early(drawn)) == ([], ["t1"])
    assert drawn.early[0].wait == Wait(NOON + 90 * SECOND)


def test_what_is_due_in_a_moment_is_not_put_back_for_it(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("t1", SHORT, due=NOON + SECOND * 1.04)

    assert due(buffer.draw(5, NOON + SECOND)) == ["t1"]


def test_a_retry_that_waited_longer_than_it_had_to_is_drawn(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("t1", LONG, due=NOON + 10 * MINUTE)

    assert due(buffer.draw(5, NOON + HOUR)) == ["t1"]


def test_it_tells_about_how_many_could_be_lent(buffer: Buffer, feed: Feed) -> None:
    feed.publish("a", "b")
    feed.park("c", LONG, due=NOON + 10 * MINUTE)
    for record in buffer.draw(2, NOON).due:
        buffer.wait_in_place(record, NOON + MINUTE)

    assert buffer.due(NOON) == 0
    assert buffer.due(NOON + MINUTE) == 2
    assert buffer.due(NOON + 10 * MINUTE) == 3


# What waits for a secret


def test_what_waits_for_a_secret_waits_in_memory_while_there_is_room(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert not buffer.draw(5, NOON)
    assert buffer.due(NOON + HOUR) == 1
    assert due(buffer.draw(5, NOON + HOUR)) == ["t1"]


def test_a_wake_makes_due_what_waits_for_that_secret(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("mail", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)
    feed.park("queue", HELD, due=NOON + HOUR, waits_for=QUEUE_SECRET, offset=1)
    buffer.draw(5, NOON)

    buffer.wake(MAIL_SECRET, NOON + SECOND)

    assert due(buffer.draw(5, NOON + SECOND)) == ["mail"]


def test_a_wake_without_a_secret_makes_due_all_that_waits_for_any(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("mail", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)
    feed.park("queue", HELD, due=NOON + HOUR, waits_for=QUEUE_SECRET, offset=1)
    feed.publish("plain")
    buffer.wait_in_place(buffer.draw(5, NOON).due[0], NOON + HOUR)

    buffer.wake(None, NOON + SECOND)

    assert due(buffer.draw(5, NOON + SECOND)) == ["mail", "queue"]


def test_what_was_put_back_before_a_wake_goes_on_though_it_is_fetched_after_it(
    buffer: Buffer, feed: Feed
) -> None:
    buffer.wake(MAIL_SECRET, NOON + SECOND)
    feed.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert due(buffer.draw(5, NOON + SECOND)) == ["t1"]


def test_what_was_put_back_after_a_wake_waits_for_the_next(
    buffer: Buffer, feed: Feed
) -> None:
    buffer.wake(MAIL_SECRET, NOON - SECOND)
    feed.park("t1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET)

    assert not buffer.draw(5, NOON)
    buffer.wake(MAIL_SECRET, NOON + SECOND)

    assert due(buffer.draw(5, NOON + SECOND)) == ["t1"]


def test_without_room_what_waits_for_a_secret_is_written_back_in_its_turn() -> None:
    buffer = a_buffer(options=KafkaOptions(window=Window(records=4)))
    feed = Feed(buffer)
    for offset, id_ in enumerate(("t1", "t2")):
        due_ = NOON + HOUR
        feed.park(id_, HELD, due=due_, waits_for=MAIL_SECRET, offset=offset)

    assert not buffer.draw(5, NOON)
    drawn = buffer.draw(5, NOON + buffer.options.intervals.held)

    assert early(drawn) == ["t1", "t2"]


def test_without_room_a_wake_draws_what_was_fetched() -> None:
    buffer = a_buffer(options=KafkaOptions(window=Window(records=4)))
    feed = Feed(buffer)
    for offset, secret in enumerate((QUEUE_SECRET, MAIL_SECRET)):
        due_ = NOON + HOUR
        feed.park(secret, HELD, due=due_, waits_for=secret, offset=offset)

    assert not buffer.draw(5, NOON)
    buffer.wake(MAIL_SECRET, NOON + SECOND)
    drawn = buffer.draw(5, NOON + SECOND)

    assert (due(drawn), early(drawn)) == ([MAIL_SECRET], [QUEUE_SECRET])


def test_what_waits_has_room_of_its_own() -> None:
    window = Window(bytes=1200)
    topics = a_buffer().topics

    shares = {name: window.bytes_for(name, topics) for name in topics.read}

    assert shares.pop("t") == 600
    assert set(shares.values()) == {100}


# The same trigger twice


def test_another_record_of_what_is_on_loan_waits_until_it_is_back(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("t1", "t1")

    first = draw_one(buffer)
    assert not buffer.draw(5, NOON)
    buffer.finish(first, NOON)

    assert buffer.due(NOON) == 1
    assert due(buffer.draw(5, NOON)) == ["t1"]


def test_what_another_process_attempts_is_looked_at_again_later(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("t1")

    buffer.attempted_elsewhere(draw_one(buffer), NOON)

    assert buffer.on_loan == 1
    assert not buffer.draw(5, NOON)
    assert due(buffer.draw(5, NOON + SECOND)) == ["t1"]
    assert buffer.on_loan == 1


# What could not be lent


def test_what_could_not_be_lent_is_lent_next(buffer: Buffer, feed: Feed) -> None:
    feed.publish("t1", "t2", "t3")

    buffer.put_back(buffer.draw(2, NOON).due, NOON)

    assert buffer.on_loan == 0
    assert due(buffer.draw(5, NOON)) == ["t1", "t2", "t3"]


def test_what_could_not_be_moved_is_not_lent_before_it_is_due(
    buffer: Buffer, feed: Feed
) -> None:
    feed.park("t1", SHORT, due=NOON + HOUR)

    buffer.keep(buffer.draw(1, NOON + SECOND), NOON + SECOND)

    assert not buffer.draw(1, NOON + SECOND)
    again = buffer.draw(1, NOON + 2 * SECOND)
    assert (due(again), early(again)) == ([], ["t1"])
    buffer.keep(again, NOON + 2 * SECOND)
    assert due(buffer.draw(1, NOON + HOUR)) == ["t1"]


def test_a_malformed_record_is_malformed_again_after_it_was_kept(
    buffer: Buffer, feed: Feed
) -> None:
    feed.put(raw(b"{"), raw(b"[]", offset=1))

    buffer.keep(buffer.draw(5, NOON), NOON)

    found = buffer.draw(5, NOON).malformed
    assert [each.fetched.raw.value for each in found] == [b"{", b"[]"]


# Malformed records


def test_a_malformed_record_stops_no_other(buffer: Buffer, feed: Feed) -> None:
    feed.put(raw(b"not JSON"), raw(trigger("t1").encode(), offset=1))

    drawn = buffer.draw(5, NOON)

    assert due(drawn) == ["t1"]
    (found,) = drawn.malformed
    assert "JSON" in found.reason
    assert buffer.on_loan == 1


# Partitions that are lost


def test_records_of_a_lost_partition_are_never_lent(buffer: Buffer, feed: Feed) -> None:
    feed.publish("t1", "t2", of=MAIN)
    feed.publish("u1", of=MAIN_TOO)
    buffer.wait_in_place(draw_one(buffer), NOON)

    feed.revoke(MAIN)

    assert due(buffer.draw(5, NOON)) == ["u1"]


def test_a_stale_record_is_passed_over_wherever_it_waits(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("t1", "t2", of=MAIN)
    buffer.wait_in_place(draw_one(buffer), NOON)

    buffer.positions.revoke(MAIN)

    assert not buffer.draw(5, NOON)


def test_what_is_read_again_waits_for_the_loan_that_is_still_out(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("t1")
    late = draw_one(buffer)
    feed.revoke(MAIN)
    feed.publish("t1")

    assert not buffer.draw(5, NOON)
    buffer.finish(late, NOON)

    again = draw_one(buffer, SECOND)
    assert buffer.positions.is_current(again.position)


async def test_a_revocation_waits_for_what_is_on_loan(
    buffer: Buffer, feed: Feed
) -> None:
    feed.publish("t1", of=MAIN)
    feed.publish("u1", of=MAIN_TOO)
    first, other = buffer.draw(2, NOON).due

    waiting = await begun(buffer.loans.returned_from([MAIN]))
    buffer.wait_in_place(first, NOON)

    await waiting
    assert buffer.on_loan == 1
    buffer.finish(other, NOON)
    await buffer.loans.returned_from([MAIN, MAIN_TOO])


# Order


@pytest.fixture
def ordered() -> Buffer:
    return a_buffer(
        ordered=True,
        options=KafkaOptions(ordered=True, intervals=Intervals(busy=SECOND)),
    )


def test_triggers_of_a_key_are_lent_one_after_the_other(ordered: Buffer) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")
    feed.publish("b1", key="b", at=2)
    feed.publish("free", at=3)

    drawn = ordered.draw(5, NOON)
    assert due(drawn) == ["a1", "b1", "free"]
    ordered.finish(drawn.due[0], NOON)

    assert due(ordered.draw(5, NOON)) == ["a2"]


def test_a_retried_trigger_stays_the_first_of_its_key(ordered: Buffer) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")
    feed.publish("b1", "b2", key="b", at=2)
    first_a, first_b = ordered.draw(5, NOON).due

    ordered.wait_in_place(first_a, NOON + MINUTE)
    ordered.finish(first_b, NOON)

    assert due(ordered.draw(5, NOON)) == ["b2"]
    assert due(ordered.draw(5, NOON + MINUTE)) == ["a1"]


def test_what_could_not_be_lent_stays_the_first_of_its_key(ordered: Buffer) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")

    ordered.put_back(ordered.draw(5, NOON).due, NOON)

    assert due(ordered.draw(5, NOON)) == ["a1"]


def test_after_a_revocation_no_other_of_the_key_is_lent_before_the_retried_one(
    ordered: Buffer,
) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")
    (first,) = ordered.draw(5, NOON).due
    ordered.wait_in_place(first, NOON + MINUTE)

    ordered.forget([MAIN], NOON)  # a rebalance began: still assigned

    assert not ordered.draw(5, NOON + MINUTE)


def test_a_key_keeps_its_order_while_a_loan_outlives_its_partition(
    ordered: Buffer,
) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")
    late = draw_one(ordered)
    feed.revoke(MAIN)
    feed.publish("a1", "a2", key="a")

    assert not ordered.draw(5, NOON)
    ordered.finish(late, NOON)
    again = draw_one(ordered, SECOND)
    assert again.trigger.id == "a1"
    assert not ordered.draw(5, NOON + SECOND)
    ordered.finish(again, NOON + SECOND)

    assert due(ordered.draw(5, NOON + SECOND)) == ["a2"]


def test_a_late_retry_gives_way_to_the_record_that_was_read_again(
    ordered: Buffer,
) -> None:
    feed = Feed(ordered)
    feed.publish("a1", "a2", key="a")
    late = draw_one(ordered)
    feed.revoke(MAIN)
    feed.publish("a1", "a2", key="a")

    ordered.wait_in_place(late, NOON + MINUTE)

    assert not ordered.draw(5, NOON)
    again = draw_one(ordered, MINUTE)
    assert ordered.positions.is_current(again.position)


def test_a_key_in_two_partitions_goes_on_with_the_one_that_stays(
    ordered: Buffer,
) -> None:
    feed = Feed(ordered)
    feed.publish("a1", of=MAIN, key="a")
    feed.publish("a2", of=MAIN_TOO, key="a")
    ordered.wait_in_place(draw_one(ordered), NOON + MINUTE)

    assert not ordered.draw(5, NOON)
    feed.revoke(MAIN)

    assert due(ordered.draw(5, NOON)) == ["a2"]


def test_keyed_triggers_parked_before_order_was_set_join_their_key_when_due(
    ordered: Buffer,
) -> None:
    feed = Feed(ordered)
    feed.park("a1", HELD, due=NOON + HOUR, waits_for=MAIL_SECRET, key="a")
    assert not ordered.draw(5, NOON)
    feed.publish("a2", key="a")
    second = draw_one(ordered)

    assert not ordered.draw(5, NOON + HOUR)
    ordered.finish(second, NOON + HOUR)

    first = draw_one(ordered, HOUR)
    ordered.finish(first, NOON + HOUR)
    assert first.trigger.id == "a1"
    assert ordered.on_loan == 0


# Clocks


@pytest.mark.parametrize("topic", [SHORT, HELD])
def test_what_is_due_later_than_any_wait_lasts_is_due_now(
    topic: TopicPartition,
) -> None:
    buffer = a_buffer()
    feed = Feed(buffer)
    feed.park("ahead", topic, due=NOON + LONGEST_WAIT + MINUTE)
    feed.park("long", topic, due=NOON + LONGEST_WAIT, offset=1)
    feed.park("later", topic, due=NOON + MINUTE, offset=2)

    drawn = buffer.draw(3, NOON + (SECOND if topic == SHORT else timedelta()))

    assert due(drawn) == ["ahead"]


def test_a_clock_that_is_set_back_strands_nothing_that_waits_in_memory() -> None:
    buffer = a_buffer(ordered=True)
    feed = Feed(buffer)
    ahead = LONGEST_WAIT + MINUTE
    feed.publish("a", "b", of=MAIN, key="boiler")
    record = draw_one(buffer, ahead)
    buffer.wait_in_place(record, NOON + ahead + SECOND)

    buffer.wake_for_due(NOON)

    assert due(buffer.draw(2, NOON)) == ["a"]
