import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuit import InFlight
from keyrelay.engine.circuits import Circuits
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    Rejected,
    Uncertain,
)
from keyrelay.model.secret import Secret
from tests.fakes import Clock
from tests.samples import NOON, QUEUE_SECRET, a_secret

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE
OLD, NEW = a_secret(version=1), a_secret(version=2)
OTHER = a_secret(QUEUE_SECRET)

DELIVERED = Delivered("ok")
REFUSED = Deferred("535 no", spends_attempt=False, blame=Blame.CREDENTIAL)
DOWN = Deferred("connection refused", blame=Blame.PEER)
THROTTLED = Deferred("slow down", spends_attempt=False, blame=Blame.RATE)
ANSWERED = (Part("ada@example.com", "550 who?", settled=True),)
OF_OURS = [  # outcomes of attempts that never reached the peer
    Rejected("the address is not public", Fault.DEFINITION),
    Deferred("too many of them a minute", spends_attempt=False),
]
OF_THE_PEER = [  # answers of a peer that works
    DELIVERED,
    Rejected("550 who?", Fault.TRIGGER, ANSWERED),
    Deferred("450 later", parts=ANSWERED),
]


@dataclass
class Harness:
    """A breaker with a clock, and the secrets that it woke."""

    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    woken: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    slow_limit: int = 2
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            slow_limit=self.slow_limit,
            circuits=Circuits(now=self.clock.now, wake=self.woken.append),
            told=self.told.append,
        )

    def admits(self, secret: Secret) -> bool:
        return self.breaker.admit(secret) is None

    def observe(self, outcome: Outcome, *, times: int = 1) -> None:
        for _ in range(times):
            self.attempt(OLD, outcome)

    def attempt(self, secret: Secret, outcome: Outcome) -> Outcome:
        """Make an attempt that ends so, after all others; return how it is taken."""
        with self.breaker.attempt(secret) as attempt:
            pass
        return self.breaker.observe(attempt, outcome)

    def together(self, *outcomes: Outcome) -> None:
        """Make attempts that begin together, and end one after the other."""
        begun = [self.breaker.attempt(OLD) for _ in outcomes]
        attempts = [each.__enter__() for each in begun]
        for each, attempt, outcome in zip(begun, attempts, outcomes, strict=True):
            each.__exit__(None, None, None)
            self.breaker.observe(attempt, outcome)

    def wait(self) -> timedelta:
        """Return how long the next trigger is to wait."""
        held = self.breaker.admit(OLD)
        return timedelta() if held is None else held.not_before

    def length(self) -> timedelta:
        """Return the time until the next probe, and let the clock reach it."""
        wait = self.wait()
        self.clock.advance(wait)
        return wait


@pytest.fixture
def harness() -> Harness:
    return Harness()


# A refused credential


def test_a_trigger_of_an_unknown_secret_is_admitted(harness: Harness) -> None:
    assert harness.admits(OLD)


def test_a_refused_credential_waits_unspent_for_its_replacement(
    harness: Harness,
) -> None:
    outcome = harness.attempt(OLD, REFUSED)

    assert isinstance(outcome, Deferred)
    assert not outcome.spends_attempt
    assert (outcome.not_before, outcome.waits_for) == (MINUTE, OLD.id)


def test_the_peers_longer_hint_is_kept(harness: Harness) -> None:
    patient = Deferred("535 in an hour", 60 * MINUTE, blame=Blame.CREDENTIAL)

    outcome = harness.attempt(OLD, patient)

    assert isinstance(outcome, Deferred)
    assert outcome.not_before == 60 * MINUTE


def test_a_refused_credential_holds_its_triggers_back(harness: Harness) -> None:
    harness.observe(REFUSED)

    assert harness.breaker.admit(OLD) == Deferred(
        "secret key-5 is paused: 535 no", MINUTE, spends_attempt=False, waits_for=OLD.id
    )


def test_a_refused_credential_pauses_its_version_alone(harness: Harness) -> None:
    harness.observe(REFUSED)

    assert harness.admits(OTHER)
    assert harness.admits(NEW)
    assert harness.woken == []


def test_one_probe_goes_at_a_time(harness: Harness) -> None:
    harness.observe(REFUSED)
    harness.clock.advance(MINUTE - SECOND)
    assert not harness.admits(OLD)

    harness.clock.advance(SECOND)

    assert [harness.admits(OLD) for _ in range(3)] == [True, False, False]


def test_a_probe_that_never_returns_is_followed_by_another(harness: Harness) -> None:
    harness.observe(REFUSED)
    harness.clock.advance(MINUTE)
    assert harness.admits(OLD)

    harness.clock.advance(MINUTE)

    assert harness.admits(OLD)


def test_each_refused_probe_doubles_the_pause_up_to_a_quarter_of_an_hour(
    harness: Harness,
) -> None:
    lengths = []
    for _ in range(7):
        harness.observe(REFUSED)
        lengths.append(harness.length())
        assert harness.admits(OLD)

    assert [length / MINUTE for length in lengths] == [1, 2, 4, 8, 15, 15, 15]


def test_attempts_that_were_in_flight_do_not_lengthen_a_pause(harness: Harness) -> None:
    harness.observe(REFUSED)
    harness.clock.advance(30 * SECOND)

    late = harness.attempt(OLD, REFUSED)

    assert isinstance(late, Deferred)
    assert (late.not_before, late.waits_for) == (MINUTE, OLD.id)
    assert harness.length() == 30 * SECOND


@pytest.mark.parametrize("outcome", OF_THE_PEER)
def test_a_good_answer_ends_the_pause_and_wakes_the_waiting_triggers(
    harness: Harness, outcome: Outcome
) -> None:
    harness.observe(REFUSED)

    harness.observe(outcome)

    assert harness.admits(OLD)
    assert harness.woken == [OLD.id]


def test_a_pause_after_one_that_ended_is_short_again(harness: Harness) -> None:
    harness.observe(REFUSED)
    harness.clock.advance(MINUTE)
    harness.observe(REFUSED)
    harness.observe(DELIVERED)

    harness.observe(REFUSED)

    assert harness.length() == MINUTE


def test_no_trigger_is_woken_when_nothing_was_paused(harness: Harness) -> None:
    harness.observe(DELIVERED)

    assert harness.woken == []


@pytest.mark.parametrize("outcome", OF_OURS)
def test_an_attempt_that_never_reached_the_peer_ends_no_pause(
    harness: Harness, outcome: Outcome
) -> None:
    harness.observe(REFUSED)

    harness.observe(outcome)

    assert not harness.admits(OLD)
    assert harness.woken == []


@pytest.mark.parametrize("outcome", OF_OURS)
def test_a_probe_that_never_reached_the_peer_is_followed_by_another(
    harness: Harness, outcome: Outcome
) -> None:
    harness.observe(REFUSED)
    harness.clock.advance(MINUTE)
    assert harness.admits(OLD)
    assert not harness.admits(OLD)

    harness.observe(outcome)

    assert [harness.admits(OLD), harness.admits(OLD)] == [True, False]


# A replaced secret


def test_a_replaced_secret_begins_with_a_closed_circuit(harness: Harness) -> None:
    harness.observe(REFUSED)
    assert harness.admits(NEW)

    again = harness.attempt(NEW, REFUSED)

    assert isinstance(again, Deferred)
    assert again.not_before == MINUTE


@pytest.mark.parametrize("outcome", [REFUSED, DOWN, *OF_OURS, *OF_THE_PEER])
def test_an_old_version_says_nothing_of_the_new_one(
    harness: Harness, caplog: pytest.LogCaptureFixture, outcome: Outcome
) -> None:
    assert harness.admits(NEW)

    for _ in range(9):
        assert harness.attempt(OLD, outcome) == outcome

    assert harness.admits(NEW)
    assert harness.woken == []
    assert caplog.records == []


def test_an_old_version_does_not_end_the_pause_of_the_new_one(harness: Harness) -> None:
    harness.attempt(NEW, REFUSED)

    harness.observe(DELIVERED)

    assert not harness.admits(NEW)


def test_an_attempt_with_the_old_version_may_end_after_the_replacement(
    harness: Harness,
) -> None:
    with harness.breaker.attempt(OLD):
        assert harness.admits(NEW)

    assert harness.admits(NEW)


def test_a_secret_holds_its_triggers_from_its_pause_to_the_probe(
    harness: Harness,
) -> None:
    before = harness.breaker.circuits.holds(OLD.id)
    harness.observe(REFUSED)
    paused = harness.breaker.circuits.holds(OLD.id)
    harness.clock.advance(MINUTE)
    probe_due = harness.breaker.circuits.holds(OLD.id)
    assert harness.admits(OLD)
    probing = harness.breaker.circuits.holds(OLD.id)
    harness.observe(DELIVERED)

    assert (before, paused, probe_due, probing) == (False, True, False, True)
    assert not harness.breaker.circuits.holds(OLD.id)


def test_a_secret_that_is_known_to_be_replaced_holds_nothing_and_wakes_all(
    harness: Harness,
) -> None:
    harness.observe(REFUSED)
    with harness.breaker.attempt(OLD) as late:
        harness.breaker.circuits.replaced(NEW)
    assert harness.breaker.observe(late, REFUSED) == REFUSED

    assert not harness.breaker.circuits.holds(OLD.id)
    assert harness.admits(NEW)
    assert harness.woken == [OLD.id]


# A peer that is down


@pytest.mark.parametrize("failure", [DOWN, Uncertain("silence")])
def test_five_failures_of_a_peer_in_a_row_open_the_circuit(
    harness: Harness, failure: Outcome
) -> None:
    harness.observe(failure, times=4)
    assert harness.admits(OLD)

    harness.observe(failure)

    assert not harness.admits(OLD)
    assert harness.length() == 5 * SECOND


def test_a_failure_is_returned_as_it_was(harness: Harness) -> None:
    outcomes = [harness.attempt(OLD, DOWN) for _ in range(6)]

    assert outcomes == [DOWN] * 6


@pytest.mark.parametrize("outcome", OF_THE_PEER)
def test_any_answer_of_the_peer_begins_the_count_of_failures_again(
    harness: Harness, outcome: Outcome
) -> None:
    harness.observe(DOWN, times=4)
    harness.observe(outcome)

    harness.observe(DOWN, times=4)

    assert harness.admits(OLD)


@pytest.mark.parametrize("outcome", OF_OURS)
def test_an_attempt_that_never_reached_the_peer_leaves_the_count_of_failures(
    harness: Harness, outcome: Outcome
) -> None:
    harness.observe(DOWN, times=4)
    harness.observe(outcome)

    harness.observe(DOWN)

    assert not harness.admits(OLD)


def test_each_failed_probe_of_a_dead_peer_doubles_the_pause(harness: Harness) -> None:
    harness.observe(DOWN, times=4)
    lengths = []
    for _ in range(10):
        harness.observe(DOWN)
        lengths.append(harness.length())
        assert harness.admits(OLD)

    seconds = [length / SECOND for length in lengths]
    assert seconds == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_refusal_by_a_peer_that_was_down_pauses_for_no_less_than_a_minute(
    harness: Harness,
) -> None:
    harness.observe(DOWN, times=5)
    harness.length()

    harness.observe(REFUSED)

    assert harness.length() == MINUTE


@pytest.mark.parametrize("failure", [DOWN, Uncertain("no reply to a call of ten")])
def test_failures_that_were_under_way_together_are_one(
    harness: Harness, failure: Outcome
) -> None:
    for _ in range(4):
        harness.together(*[failure] * 10)
    assert harness.admits(OLD)

    harness.together(failure)

    assert not harness.admits(OLD)


def test_a_failure_that_began_before_the_pause_makes_no_later_one_longer(
    harness: Harness,
) -> None:
    with harness.breaker.attempt(OLD) as slow:
        harness.observe(DOWN, times=5)
        harness.length()

        harness.breaker.observe(slow, DOWN)

        assert [harness.admits(OLD), harness.wait()] == [True, 5 * SECOND]


# A peer that throttles


def test_a_throttled_call_is_no_failure_and_halves_the_attempts_at_once() -> None:
    harness = Harness(slow_limit=24)
    harness.together(*[THROTTLED] * 10)

    with ExitStack() as under_way:
        admitted = 0
        while harness.admits(OLD):
            under_way.enter_context(harness.breaker.attempt(OLD))
            admitted += 1
        held = harness.breaker.admit(OLD)

    assert admitted == 5
    assert held is not None
    assert held.reason == "the peer of key-5 throttles"
    assert not held.spends_attempt


def test_a_peer_that_throttles_is_slowed_to_one_attempt_before_it_is_paused() -> None:
    harness = Harness(slow_limit=24)
    harness.together(*[THROTTLED] * 8)  # 4 at once, then 2, then 1
    harness.observe(THROTTLED, times=2)
    assert harness.breaker.circuits.paused().total() == 0

    harness.observe(THROTTLED, times=4)
    assert harness.breaker.circuits.paused().total() == 0
    harness.observe(THROTTLED)

    assert harness.breaker.circuits.paused().total() == 1


def test_a_peer_that_takes_again_gets_more_and_more_and_then_all() -> None:
    harness = Harness(slow_limit=4)
    harness.together(*[THROTTLED] * 4)
    with harness.breaker.attempt(OLD), harness.breaker.attempt(OLD):
        assert not harness.admits(OLD)
        harness.observe(DELIVERED, times=3)
        assert harness.admits(OLD)

    harness.observe(DELIVERED, times=4)

    with ExitStack() as under_way:
        for _ in range(9):
            assert harness.admits(OLD)
            under_way.enter_context(harness.breaker.attempt(OLD))


def test_a_call_that_is_throttled_in_between_pauses_nothing() -> None:
    harness = Harness(slow_limit=24)
    for _ in range(50):
        harness.together(*[THROTTLED] * 10)
        harness.together(*[DELIVERED] * 10)

    assert harness.breaker.circuits.paused().total() == 0
    assert harness.admits(OLD)


def test_triggers_held_back_for_want_of_room_come_back_one_after_the_other() -> None:
    harness = Harness(slow_limit=24)
    harness.together(THROTTLED)
    with harness.breaker.attempt(OLD):
        waits = [harness.wait() / SECOND for _ in range(5000)]

    assert waits[:3] == pytest.approx([1, 1.02, 1.04])
    assert waits[-1] == 60


# A peer that is slow


def test_a_slow_peer_gets_no_more_lanes_than_the_limit(harness: Harness) -> None:
    with ExitStack() as under_way:
        for _ in range(harness.slow_limit):
            assert harness.admits(OLD)
            under_way.enter_context(harness.breaker.attempt(OLD))
        harness.clock.advance(2 * SECOND)

        assert harness.breaker.admit(OLD) == Deferred(
            "the server of key-5 is slow",
            5 * SECOND,
            spends_attempt=False,
        )
        assert harness.admits(OTHER)

    assert harness.admits(OLD)


def test_slow_peers_have_one_limit_together(harness: Harness) -> None:
    with ExitStack() as under_way:
        for number in range(harness.slow_limit):
            secret = OLD if number else OTHER
            under_way.enter_context(harness.breaker.attempt(secret))
        harness.clock.advance(2 * SECOND)

        assert not harness.admits(OLD)
        assert not harness.admits(OTHER)


def test_a_clock_that_is_set_back_makes_no_pause_longer(harness: Harness) -> None:
    harness.clock.advance(1000 * MINUTE)
    harness.attempt(OLD, Deferred("535", blame=Blame.CREDENTIAL))
    assert not harness.admits(OLD)

    harness.clock.time -= 500 * MINUTE

    assert harness.admits(OLD), "the probe"
    assert not harness.admits(OLD)
    harness.clock.advance(MINUTE)
    assert harness.admits(OLD)


def test_a_quick_peer_gets_all_lanes(harness: Harness) -> None:
    with ExitStack() as under_way:
        for _ in range(9):
            assert harness.admits(OLD)
            under_way.enter_context(harness.breaker.attempt(OLD))
            harness.clock.advance(SECOND / 9)


def test_one_slow_attempt_alone_holds_no_trigger_back(harness: Harness) -> None:
    with harness.breaker.attempt(OLD):
        harness.clock.advance(MINUTE)

        assert harness.admits(OLD)


def test_an_attempt_that_fails_is_no_longer_under_way(harness: Harness) -> None:
    for _ in range(9):
        with pytest.raises(RuntimeError), harness.breaker.attempt(OLD):
            raise RuntimeError
    harness.clock.advance(MINUTE)

    assert harness.admits(OLD)


# A peer that owes answers


@contextmanager
def owing(
    harness: Harness, count: int, secret: Secret = OLD
) -> Iterator[list[InFlight]]:
    """Have so many attempts under way that have left their lanes."""
    with ExitStack() as under_way:
        begun = [
            under_way.enter_context(harness.breaker.attempt(secret))
            for _ in range(count)
        ]
        assert all(harness.breaker.linger(each) for each in begun)
        yield begun


def test_attempts_without_a_lane_count_for_no_slow_lane(harness: Harness) -> None:
    with owing(harness, harness.slow_limit + 1):
        harness.clock.advance(MINUTE)

        assert harness.admits(OLD)
        assert harness.breaker.lingering() == harness.slow_limit + 1
    assert harness.breaker.lingering() == 0


def test_attempts_without_a_lane_are_bounded_for_each_secret(harness: Harness) -> None:
    with owing(harness, 16):
        with harness.breaker.attempt(OLD) as another:
            assert not harness.breaker.linger(another), "it keeps its lane"
        with owing(harness, 16, OTHER):
            assert harness.breaker.lingering() == 32

    with owing(harness, 16):
        pass


def test_attempts_without_a_lane_are_bounded_all_together(harness: Harness) -> None:
    with ExitStack() as under_way:
        for number in range(16):
            secret = a_secret(f"{number:024}")
            under_way.enter_context(owing(harness, 16, secret))
        with harness.breaker.attempt(OLD) as another:
            assert not harness.breaker.linger(another)


def test_an_attempt_that_had_to_keep_its_lane_counts_as_a_slow_one() -> None:
    harness = Harness(slow_limit=1)
    with owing(harness, 16, OTHER), harness.breaker.attempt(OTHER) as another:
        assert not harness.breaker.linger(another)
        with harness.breaker.attempt(OLD):
            harness.clock.advance(2 * SECOND)
            assert not harness.admits(OLD)


def test_a_peer_that_owes_eight_answers_gets_no_more(harness: Harness) -> None:
    with owing(harness, 7) as attempts:
        harness.clock.advance(4 * SECOND)
        assert harness.admits(OLD)
        with harness.breaker.attempt(OLD):
            assert harness.breaker.admit(OLD) == Deferred(
                "the server of key-5 is slow",
                5 * SECOND,
                spends_attempt=False,
                waits_for=OLD.id,
            )
            assert harness.admits(OTHER)
        assert len(attempts) == 7
        assert harness.admits(OLD)


def test_one_slow_mail_does_not_slow_a_secret_whose_others_are_answered(
    harness: Harness,
) -> None:
    harness.slow_limit = 24
    with owing(harness, 1):
        harness.clock.advance(9 * MINUTE)
        with owing(harness, 15):
            assert harness.admits(OLD)


def test_peers_that_answer_within_seconds_owe_nothing(harness: Harness) -> None:
    with owing(harness, 16):
        harness.clock.advance(3 * SECOND)

        assert harness.admits(OLD)


def test_triggers_of_a_silent_peer_come_back_as_rarely_as_it_answers(
    harness: Harness,
) -> None:
    with owing(harness, 8):
        harness.clock.advance(40 * SECOND)
        waits = [harness.wait() / SECOND for _ in range(20)]

    assert waits[:3] == [5, 10, 15]
    assert waits[-1] == 60


def test_after_any_silence_a_trigger_comes_back_within_a_minute(
    harness: Harness,
) -> None:
    with owing(harness, 8):
        harness.clock.advance(9 * MINUTE)

        assert max(harness.wait() for _ in range(20)) == MINUTE


def test_while_its_peer_owes_answers_a_secret_holds_its_triggers(
    harness: Harness,
) -> None:
    holds = harness.breaker.circuits.holds
    with owing(harness, 8):
        before = holds(OLD.id)
        harness.clock.advance(4 * SECOND)
        owed = holds(OLD.id)

    assert (before, owed, holds(OLD.id)) == (False, True, False)


def test_what_the_old_version_owes_does_not_slow_the_new_one(harness: Harness) -> None:
    with owing(harness, 16):
        harness.clock.advance(MINUTE)
        assert not harness.admits(OLD)

        assert harness.admits(NEW)


# What operators see


def test_a_pause_and_its_end_are_logged(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    harness.observe(REFUSED, times=3)
    harness.observe(DELIVERED, times=3)

    assert [record.message for record in caplog.records] == [
        "secret paused",
        "secret resumed",
    ]
    paused = caplog.records[0]
    assert (
        vars(paused).items()
        >= {
            "secret": OLD.id,
            "version": 1,
            "reason": "535 no",
        }.items()
    )


# Properties

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [REFUSED, DOWN, THROTTLED, Uncertain("?"), *OF_OURS, *OF_THE_PEER]
        ),
        st.integers(0, 1000),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_a_pause_always_lets_a_probe_go_within_a_quarter_of_an_hour(
    steps: list[tuple[Outcome, int]],
) -> None:
    harness = Harness()
    for outcome, seconds in steps:
        harness.clock.advance(seconds * SECOND)
        if harness.admits(OLD):
            harness.observe(outcome)

    held = harness.breaker.admit(OLD)
    if held is not None:
        assert timedelta() < held.not_before <= QUARTER
        harness.clock.advance(held.not_before)
        assert harness.admits(OLD)
    harness.observe(DELIVERED)
    assert harness.admits(OLD)


@given(patience=st.integers(1, 60))
def test_a_dead_credential_is_tried_no_more_than_a_few_times_an_hour(
    patience: int,
) -> None:
    harness, tried = Harness(), 0
    for _ in range(3600 // patience):
        if harness.admits(OLD):
            tried += 1
            harness.observe(REFUSED)
        harness.clock.advance(patience * SECOND)

    # After 1, 2, 4, 8 and then 15 minutes each.
    assert tried <= 8


# What is seen from outside


def test_paused_secrets_are_counted_from_their_pause_to_its_end(
    harness: Harness,
) -> None:
    before = harness.breaker.circuits.paused().total()
    harness.observe(REFUSED)
    harness.attempt(OTHER, REFUSED)
    both = harness.breaker.circuits.paused().total()
    harness.length()
    harness.observe(DELIVERED)

    assert (before, both, harness.breaker.circuits.paused().total()) == (0, 2, 1)


def test_a_paused_secret_that_no_trigger_uses_is_not_counted_for_ever(
    harness: Harness,
) -> None:
    harness.observe(REFUSED)

    harness.clock.advance(MINUTE + QUARTER - SECOND)
    for_long = harness.breaker.circuits.paused().total()
    harness.clock.advance(SECOND)

    assert for_long == 1
    assert harness.breaker.circuits.paused().total() == 0


def test_few_triggers_come_back_for_the_probe_and_all_others_much_later(
    harness: Harness,
) -> None:
    harness.observe(REFUSED)

    waits = [harness.wait() for _ in range(10)]

    assert waits == [MINUTE] * 3 + [5 * MINUTE] * 7


def test_each_probe_has_a_few_triggers_that_come_back_for_it(harness: Harness) -> None:
    harness.observe(REFUSED)
    first = [harness.wait() for _ in range(5)]
    harness.clock.advance(MINUTE)
    assert harness.admits(OLD)

    second = [harness.wait() for _ in range(5)]

    assert second == first


def test_no_trigger_is_told_to_wait_longer_than_the_longest_pause(
    harness: Harness,
) -> None:
    for _ in range(10):
        harness.observe(REFUSED)
        harness.length()
    harness.observe(REFUSED)

    assert [harness.wait() for _ in range(10)] == [QUARTER] * 10
