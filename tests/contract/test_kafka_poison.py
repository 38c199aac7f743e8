"""Malformed records: they go to the dead-letter topic, and stop no other."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.model.settlement import Done
from keyrelay.model.trigger import LARGEST_TRIGGER
from tests.contract.kafka_logs import OPTIONS, Header, Log, a_log, said
from tests.contract.queues import trigger
from tests.samples import MAIL_ACTION
from tests.services.kafka import Kafka

pytestmark = pytest.mark.timeout(60)

GOOD = json.dumps({"action": MAIL_ACTION}).encode()
STRUCTURED = [("content-type", b"application/cloudevents+json")]
BINARY = [
    ("ce_id", b"1"),
    ("ce_source", b"/test"),
    ("ce_type", b"t"),
    ("ce_specversion", b"1.0"),
]
# What it is, its value, its headers.
POISON: Sequence[tuple[str, bytes | None, Sequence[Header]]] = [
    ("not JSON", b"not JSON", []),
    ("not UTF-8", b"\xff\xfe", []),
    ("empty", b"", []),
    ("null", None, []),
    ("a list", b"[1]", []),
    ("no action", b"{}", []),
    ("a key twice", b'{"action":"%s","action":"x"}' % MAIL_ACTION.encode(), []),
    ("another profile", trigger(profile="b" * 24).encode(), []),
    ("nested", b"[" * 100_000, []),
    ("too large", b'{"a":"%s"}' % (b"x" * LARGEST_TRIGGER), []),
    ("an event that is none", b"{", STRUCTURED),
    ("an event of another version", b'{"specversion":"0.3"}', STRUCTURED),
    ("an event without data", b"", BINARY),
    ("an event twice", GOOD, [*BINARY, BINARY[0]]),
    ("an event of null", GOOD, [*BINARY[1:], ("ce_id", None)]),
]
DRAIN = replace(OPTIONS, drain=True)


async def drained(log: Log) -> Sequence[str]:
    """Work until nothing is left; return the ids of what was attempted."""
    attempted: list[str] = []
    async with log.member(DRAIN) as member:
        while (lease := await member.queue.lease(asyncio.Event())) is not None:
            attempted.append(lease.trigger.id)
            await lease.settle(Done())
    return attempted


async def test_poison_is_buried_with_its_origin_and_stops_nothing(kafka: Kafka) -> None:
    log = await a_log(kafka)
    await log.write(trigger("first").encode())
    for _, value, headers in POISON:
        await log.write(value, headers=headers)
    await log.write(trigger("last").encode())

    attempted = await drained(log)

    assert attempted == ["first", "last"]
    buried = await log.read(log.topics.dead)
    by_origin = {said(record)["origin"]: record for record in buried}
    assert len(buried) == len(by_origin) == len(POISON)
    for offset, (_, value, headers) in enumerate(POISON, 1):
        record = by_origin[f"{log.topics.main}/0/{offset}"]
        assert (record.value or b"") == (value or b"")
        assert list(record.headers)[: len(headers)] == list(headers)
        assert said(record)["fault"] == "trigger"
        assert said(record)["attempts"] == "0"
        assert said(record)["reason"]
    assert await log.committed() == {log.topics.main: len(POISON) + 2}


async def test_poison_in_a_workers_topic_is_buried_too(kafka: Kafka) -> None:
    log = await a_log(kafka)
    retry = f"{log.topics.main}.retry.1s"
    for topic in (retry, log.topics.held):
        await log.write(b"{", GOOD, None, topic=topic)
        await log.write(GOOD, topic=topic, headers=[("keyrelay-due", b"soon")])
    log.clock.advance(timedelta(hours=1))

    assert await drained(log) == []

    origins = {said(record)["origin"] for record in await log.read(log.topics.dead)}
    assert origins == {f"{t}/0/{n}" for t in (retry, log.topics.held) for n in range(4)}


async def test_a_header_whose_name_is_not_utf8_stops_nothing(
    kafka: Kafka, kcat: Path
) -> None:
    log = await a_log(kafka, partitions=2)
    await log.write(trigger("first").encode())
    await with_a_header(kcat, log, b"\xff", b"one\ntwo\nthree\n")
    await log.write(trigger("second").encode())
    await with_a_header(kcat, log, b"\xff", trigger("unread").encode())
    await log.write(trigger("last").encode())

    attempted = await drained(log)

    assert attempted == ["first", "second", "last"]
    buried = await log.read(log.topics.dead)
    origins = {said(record)["origin"] for record in buried}
    assert origins == {f"{log.topics.main}/0/{offset}" for offset in (1, 2, 3, 5)}
    assert {said(record)["fault"] for record in buried} == {"trigger"}
    assert all("not UTF-8" in said(record)["reason"] for record in buried)
    assert await log.committed() == {log.topics.main: 7}


async def with_a_header(kcat: Path, log: Log, name: bytes, lines: bytes) -> None:
    """Write each line with a header whose name may be any bytes."""
    (broker,) = log.clients.connection.address.brokers
    to = ["-P", "-b", broker, "-t", log.topics.main, "-p", "0", "-X", "linger.ms=100"]
    process = await asyncio.create_subprocess_exec(
        str(kcat).encode(),
        *(word.encode() for word in to),
        b"-H",
        name + b"=x",
        stdin=asyncio.subprocess.PIPE,
    )
    await process.communicate(lines)
    assert process.returncode == 0


async def test_absurd_times_hold_nothing_up(kafka: Kafka) -> None:
    far = 253402300799999
    any_time = {"message.timestamp.after.max.ms": str(2**63 - 1)}
    log = await a_log(kafka, settings={"": any_time})
    await log.write(trigger("t1").encode(), timestamp=far)
    await log.write(trigger("t2").encode(), timestamp=0)
    await log.write(GOOD, timestamp=far)
    await log.write(trigger("t3").encode())

    first, second, made_up, last = await drained(log)
    assert (first, second, last) == ("t1", "t2", "t3")
    assert len(made_up) == 24
    assert await log.read(log.topics.dead) == []


async def test_what_is_too_large_for_the_dead_letter_topic_leaves_its_origin_there(
    kafka: Kafka,
) -> None:
    small: Mapping[str, str] = {"max.message.bytes": "2000"}
    log = await a_log(kafka, settings={".dead": small})
    huge = b"x" * 4000
    await log.write(huge)
    await log.write(b"{", headers=[("theirs", huge)])
    await log.write(b"{", key=huge)
    await log.write(trigger().encode())

    assert await drained(log) == ["t1"]

    buried = await log.read(log.topics.dead)
    assert sorted(said(record)["origin"] for record in buried) == [
        f"{log.topics.main}/0/{offset}" for offset in range(3)
    ]
    assert {record.value for record in buried} == {b""}


async def test_what_an_aborted_transaction_wrote_is_not_attempted(kafka: Kafka) -> None:
    log = await a_log(kafka)
    await log.write_in_transaction(trigger("aborted").encode(), commit=False)
    await log.write_in_transaction(trigger("committed").encode(), commit=True)

    assert await drained(log) == ["committed"]
