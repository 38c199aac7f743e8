"""Failed tries: wrong tokens are limited by client, in bounded memory."""

from dataclasses import dataclass

import pytest

from keyrelay.api.tries import WINDOW, FailedTries


@dataclass
class Clock:
    time: float = 1000

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> FailedTries:
    return FailedTries(clock=clock, most=3, clients=100)


def fail(tries: FailedTries, address: str, times: int) -> list[int | None]:
    return [tries.failed(address) for _ in range(times)]


def test_after_so_many_failures_a_client_has_to_wait(tries: FailedTries) -> None:
    assert fail(tries, "192.0.2.1", 5) == [None, None, None, 60, 60]


def test_the_wait_ends_a_minute_after_the_first_failure(
    tries: FailedTries, clock: Clock
) -> None:
    fail(tries, "192.0.2.1", 3)

    clock.time += 59.5
    late = tries.failed("192.0.2.1")
    clock.time += 0.5
    afterwards = fail(tries, "192.0.2.1", 4)

    assert late == 1
    assert afterwards == [None, None, None, 60]


def test_another_clients_failures_do_not_count(tries: FailedTries) -> None:
    fail(tries, "192.0.2.1", 9)

    assert tries.failed("192.0.2.2") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_what_one_client_may_choose_is_one_client(
    tries: FailedTries, one: str, other: str
) -> None:
    fail(tries, one, 3)

    assert tries.failed(other) is not None


def test_another_network_is_another_client(tries: FailedTries) -> None:
    fail(tries, "2001:db8::1", 9)

    assert tries.failed("2001:db8:0:1::1") is None


def test_as_many_clients_are_remembered_as_there_is_room_for(
    tries: FailedTries, clock: Clock
) -> None:
    for number in range(1000):
        tries.failed(f"10.0.{number // 250}.{number % 250}")
        clock.time += 0.01

    assert len(tries.failures) == 100


def test_the_client_that_failed_first_is_forgotten_first(
    tries: FailedTries, clock: Clock
) -> None:
    tries.failed("192.0.2.1")
    clock.time += WINDOW - 1
    fail(tries, "192.0.2.2", 9)
    clock.time += 1
    fail(tries, "192.0.2.1", 9)  # anew, and so not the first one any longer
    for number in range(99):
        tries.failed(f"10.0.0.{number}")

    assert tries.failed("192.0.2.1") is not None
    assert tries.failed("192.0.2.2") is None
    assert tries.failed("192.0.2.1") is None
