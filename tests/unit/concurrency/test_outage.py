"""Outage: a log that one can read while something is away."""

import logging
from dataclasses import dataclass

import pytest

from keyrelay.concurrency.outage import Outage

log = logging.getLogger(__name__)


@dataclass
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def outage(clock: Seconds) -> Outage:
    return Outage(log=log, begun="it fails", over="it works again", clock=clock)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_it_is_said_when_it_begins_each_minute_and_when_it_ends(
    outage: Outage, clock: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(130):
        for lane in range(32):
            outage.failed(f"reason {second}.{lane}")
        clock.now += 1
    for _ in range(32):
        outage.ended()

    assert said(caplog) == [*["it fails"] * 3, "it works again"]
    reasons = [vars(record).get("reason") for record in caplog.records]
    assert reasons == ["reason 0.0", "reason 60.0", "reason 120.0", None]


def test_what_never_failed_has_no_end(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.ended()

    assert said(caplog) == []


def test_what_fails_now_and_then_is_said_twice_a_minute_at_most(
    outage: Outage, clock: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(600):
        outage.failed("reason")
        outage.ended()
        clock.now += 0.1

    assert said(caplog) == ["it fails", "it works again"]


def test_what_begins_again_and_lasts_is_said_again(
    outage: Outage, clock: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    outage.failed("reason")
    outage.ended()
    clock.now += 30
    for _ in range(40):
        outage.failed("reason")
        clock.now += 1
    outage.ended()

    assert said(caplog) == ["it fails", "it works again"] * 2
