import logging
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.engine.breaker import Breaker
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
ANSWERED = (Part("ada@example.com", "550 who?", settled=True),)
OF_OURS = [  # outcomes of which the peer knows nothing
    Rejected("the address is not public", Fault.DEFINITION),
    Deferred("too many of them a minute", spends_attempt=False),
]
OF_THE_PEER = [  # a peer that says this is well
    DELIVERED,
    Rejected("550 who?", Fault.TRIGGER, ANSWERED),
    Deferred("450 later", parts=ANSWERED),
]


@dataclass
class Ward:
    """Pauses with a clock, and what they woke."""

    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    woken: list[str] = field(default_factory=list)
    share: int = 2
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(
            share=self.share, now=self.clock.now, wake=self.woken.append
        )

    def goes(self, secret: Secret) -> bool:
        return self.breaker.held(secret) is None

    def observe(self, outcome: Outcome, *, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.observe(OLD, outcome)

    def wait(self) -> timedelta:
        """Return how long the next trigger is to wait."""
        held = self.breaker.held(OLD)
        return timedelta() if held is None else held.not_before

    def length(self) -> timedelta:
        """Return the time until the next probe, and let the clock reach it."""
        wait = self.wait()
        self.clock.advance(wait)
        return wait


@pytest.fixture
def ward() -> Ward:
    return Ward()


# A refused credential


def test_a_secret_that_nothing_is_known_of_goes(ward: Ward) -> None:
    assert ward.goes(OLD)


def test_a_refused_credential_waits_unspent_for_its_replacement(ward: Ward) -> None:
    outcome = ward.breaker.observe(OLD, REFUSED)

    assert isinstance(outcome, Deferred)
    assert not outcome.spends_attempt
    assert (outcome.not_before, outcome.waits_for) == (MINUTE, OLD.id)


def test_the_peers_longer_hint_is_kept(ward: Ward) -> None:
    patient = Deferred("535 in an hour", 60 * MINUTE, blame=Blame.CREDENTIAL)

    outcome = ward.breaker.observe(OLD, patient)

    assert isinstance(outcome, Deferred)
    assert outcome.not_before == 60 * MINUTE


def test_a_refused_credential_holds_its_triggers_back(ward: Ward) -> None:
    ward.observe(REFUSED)

    assert ward.breaker.held(OLD) == Deferred(
        "secret key-5 is paused: 535 no", MINUTE, spends_attempt=False, waits_for=OLD.id
    )


def test_a_refused_credential_pauses_its_version_alone(ward: Ward) -> None:
    ward.observe(REFUSED)

    assert ward.goes(OTHER)
    assert ward.goes(NEW)
    assert ward.woken == []


def test_one_probe_goes_at_a_time(ward: Ward) -> None:
    ward.observe(REFUSED)
    ward.clock.advance(MINUTE - SECOND)
    assert not ward.goes(OLD)

    ward.clock.advance(SECOND)

    assert [ward.goes(OLD) for _ in range(3)] == [True, False, False]


def test_a_probe_that_never_returns_is_followed_by_another(ward: Ward) -> None:
    ward.observe(REFUSED)
    ward.clock.advance(MINUTE)
    assert ward.goes(OLD)

    ward.clock.advance(MINUTE)

    assert ward.goes(OLD)


def test_each_refused_probe_doubles_the_pause_up_to_a_quarter_of_an_hour(
    ward: Ward,
) -> None:
    lengths = []
    for _ in range(7):
        ward.observe(REFUSED)
        lengths.append(ward.length())
        assert ward.goes(OLD)

    assert [length / MINUTE for length in lengths] == [1, 2, 4, 8, 15, 15, 15]


def test_stragglers_do_not_lengthen_a_pause(ward: Ward) -> None:
    ward.observe(REFUSED)
    ward.clock.advance(30 * SECOND)

    late = ward.breaker.observe(OLD, REFUSED)

    assert isinstance(late, Deferred)
    assert (late.not_before, late.waits_for) == (MINUTE, OLD.id)
    assert ward.length() == 30 * SECOND


@pytest.mark.parametrize("outcome", OF_THE_PEER)
def test_a_good_answer_ends_the_pause_and_wakes_who_waits(
    ward: Ward, outcome: Outcome
) -> None:
    ward.observe(REFUSED)

    ward.observe(outcome)

    assert ward.goes(OLD)
    assert ward.woken == [OLD.id]


def test_a_pause_after_one_that_ended_begins_small_again(ward: Ward) -> None:
    ward.observe(REFUSED)
    ward.clock.advance(MINUTE)
    ward.observe(REFUSED)
    ward.observe(DELIVERED)

    ward.observe(REFUSED)

    assert ward.length() == MINUTE


def test_nobody_is_woken_when_nothing_was_paused(ward: Ward) -> None:
    ward.observe(DELIVERED)

    assert ward.woken == []


@pytest.mark.parametrize("outcome", OF_OURS)
def test_an_outcome_of_which_the_peer_knows_nothing_ends_no_pause(
    ward: Ward, outcome: Outcome
) -> None:
    ward.observe(REFUSED)

    ward.observe(outcome)

    assert not ward.goes(OLD)
    assert ward.woken == []


@pytest.mark.parametrize("outcome", OF_OURS)
def test_a_probe_that_never_met_the_peer_lets_the_next_one_go(
    ward: Ward, outcome: Outcome
) -> None:
    ward.observe(REFUSED)
    ward.clock.advance(MINUTE)
    assert ward.goes(OLD)
    assert not ward.goes(OLD)

    ward.observe(outcome)

    assert [ward.goes(OLD), ward.goes(OLD)] == [True, False]


# A replaced secret


def test_a_replaced_secret_starts_afresh(ward: Ward) -> None:
    ward.observe(REFUSED)
    assert ward.goes(NEW)

    again = ward.breaker.observe(NEW, REFUSED)

    assert isinstance(again, Deferred)
    assert again.not_before == MINUTE


@pytest.mark.parametrize("outcome", [REFUSED, DOWN, *OF_OURS, *OF_THE_PEER])
def test_an_old_version_says_nothing_of_the_new_one(
    ward: Ward, caplog: pytest.LogCaptureFixture, outcome: Outcome
) -> None:
    assert ward.goes(NEW)

    for _ in range(9):
        assert ward.breaker.observe(OLD, outcome) == outcome

    assert ward.goes(NEW)
    assert ward.woken == []
    assert caplog.records == []


def test_an_old_version_does_not_lift_the_pause_of_the_new_one(ward: Ward) -> None:
    ward.breaker.observe(NEW, REFUSED)

    ward.observe(DELIVERED)

    assert not ward.goes(NEW)


def test_an_attempt_with_the_old_version_may_end_after_the_replacement(
    ward: Ward,
) -> None:
    with ward.breaker.attempt(OLD):
        assert ward.goes(NEW)

    assert ward.goes(NEW)


# A peer that is down


@pytest.mark.parametrize("failure", [DOWN, Uncertain("silence")])
def test_a_peer_that_fails_five_times_in_a_row_is_left_alone(
    ward: Ward, failure: Outcome
) -> None:
    ward.observe(failure, times=4)
    assert ward.goes(OLD)

    ward.observe(failure)

    assert not ward.goes(OLD)
    assert ward.length() == 5 * SECOND


def test_a_failure_is_returned_as_it_was(ward: Ward) -> None:
    outcomes = [ward.breaker.observe(OLD, DOWN) for _ in range(6)]

    assert outcomes == [DOWN] * 6


@pytest.mark.parametrize("outcome", OF_THE_PEER)
def test_any_answer_of_the_peer_breaks_the_row(ward: Ward, outcome: Outcome) -> None:
    ward.observe(DOWN, times=4)
    ward.observe(outcome)

    ward.observe(DOWN, times=4)

    assert ward.goes(OLD)


@pytest.mark.parametrize("outcome", OF_OURS)
def test_what_never_met_the_peer_does_not_break_the_row(
    ward: Ward, outcome: Outcome
) -> None:
    ward.observe(DOWN, times=4)
    ward.observe(outcome)

    ward.observe(DOWN)

    assert not ward.goes(OLD)


def test_a_peer_that_stays_down_is_probed_ever_more_seldom(ward: Ward) -> None:
    ward.observe(DOWN, times=4)
    lengths = []
    for _ in range(10):
        ward.observe(DOWN)
        lengths.append(ward.length())
        assert ward.goes(OLD)

    seconds = [length / SECOND for length in lengths]
    assert seconds == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_refusal_by_a_peer_that_was_down_pauses_for_no_less_than_a_minute(
    ward: Ward,
) -> None:
    ward.observe(DOWN, times=5)
    ward.length()

    ward.observe(REFUSED)

    assert ward.length() == MINUTE


# A peer that is slow


def test_a_slow_peer_gets_its_share_of_the_lanes(ward: Ward) -> None:
    with ExitStack() as under_way:
        for _ in range(ward.share):
            assert ward.goes(OLD)
            under_way.enter_context(ward.breaker.attempt(OLD))
        ward.clock.advance(2 * SECOND)

        assert ward.breaker.held(OLD) == Deferred(
            "the server of key-5 is slow",
            5 * SECOND,
            spends_attempt=False,
            waits_for=OLD.id,
        )
        assert ward.goes(OTHER)

    assert ward.goes(OLD)


def test_slow_peers_share_one_share(ward: Ward) -> None:
    with ExitStack() as under_way:
        for number in range(ward.share):
            secret = OLD if number else OTHER
            under_way.enter_context(ward.breaker.attempt(secret))
        ward.clock.advance(2 * SECOND)

        assert not ward.goes(OLD)
        assert not ward.goes(OTHER)


def test_a_clock_that_is_set_back_makes_no_pause_longer(ward: Ward) -> None:
    ward.clock.advance(1000 * MINUTE)
    ward.breaker.observe(OLD, Deferred("535", blame=Blame.CREDENTIAL))
    assert not ward.goes(OLD)

    ward.clock.time -= 500 * MINUTE

    assert ward.goes(OLD), "the probe"
    assert not ward.goes(OLD)
    ward.clock.advance(MINUTE)
    assert ward.goes(OLD)


def test_a_quick_peer_gets_all_lanes(ward: Ward) -> None:
    with ExitStack() as under_way:
        for _ in range(9):
            assert ward.goes(OLD)
            under_way.enter_context(ward.breaker.attempt(OLD))
            ward.clock.advance(SECOND / 9)


def test_one_slow_attempt_alone_holds_nobody_back(ward: Ward) -> None:
    with ward.breaker.attempt(OLD):
        ward.clock.advance(MINUTE)

        assert ward.goes(OLD)


def test_an_attempt_that_fails_is_no_longer_under_way(ward: Ward) -> None:
    for _ in range(9):
        with pytest.raises(RuntimeError), ward.breaker.attempt(OLD):
            raise RuntimeError
    ward.clock.advance(MINUTE)

    assert ward.goes(OLD)


# What operators see


def test_a_pause_and_its_end_are_logged(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    ward.observe(REFUSED, times=3)
    ward.observe(DELIVERED, times=3)

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
        st.sampled_from([REFUSED, DOWN, Uncertain("silence"), *OF_OURS, *OF_THE_PEER]),
        st.integers(0, 1000),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_a_pause_always_lets_a_probe_go_within_a_quarter_of_an_hour(
    steps: list[tuple[Outcome, int]],
) -> None:
    ward = Ward()
    for outcome, seconds in steps:
        ward.clock.advance(seconds * SECOND)
        if ward.goes(OLD):
            ward.observe(outcome)

    held = ward.breaker.held(OLD)
    if held is not None:
        assert timedelta() < held.not_before <= QUARTER
        ward.clock.advance(held.not_before)
        assert ward.goes(OLD)
    ward.observe(DELIVERED)
    assert ward.goes(OLD)


@given(patience=st.integers(1, 60))
def test_a_dead_credential_is_tried_no_more_than_a_few_times_an_hour(
    patience: int,
) -> None:
    ward, tried = Ward(), 0
    for _ in range(3600 // patience):
        if ward.goes(OLD):
            tried += 1
            ward.observe(REFUSED)
        ward.clock.advance(patience * SECOND)

    # After 1, 2, 4, 8 and then 15 minutes each.
    assert tried <= 8


# What is seen from outside


def test_paused_secrets_are_counted_from_their_pause_to_its_end(ward: Ward) -> None:
    before = ward.breaker.paused()
    ward.observe(REFUSED)
    ward.breaker.observe(OTHER, REFUSED)
    both = ward.breaker.paused()
    ward.length()
    ward.observe(DELIVERED)

    assert (before, both, ward.breaker.paused()) == (0, 2, 1)


def test_a_paused_secret_that_nobody_comes_for_is_not_counted_for_ever(
    ward: Ward,
) -> None:
    ward.observe(REFUSED)

    ward.clock.advance(MINUTE + QUARTER - SECOND)
    for_long = ward.breaker.paused()
    ward.clock.advance(SECOND)

    assert for_long == 1
    assert ward.breaker.paused() == 0


def test_a_few_come_back_for_the_probe_and_all_others_much_later(ward: Ward) -> None:
    ward.observe(REFUSED)

    waits = [ward.wait() for _ in range(10)]

    assert waits == [MINUTE] * 3 + [5 * MINUTE] * 7


def test_each_probe_has_a_few_who_come_back_for_it(ward: Ward) -> None:
    ward.observe(REFUSED)
    first = [ward.wait() for _ in range(5)]
    ward.clock.advance(MINUTE)
    assert ward.goes(OLD)

    second = [ward.wait() for _ in range(5)]

    assert second == first


def test_nobody_is_told_to_wait_for_longer_than_the_longest_pause(ward: Ward) -> None:
    for _ in range(10):
        ward.observe(REFUSED)
        ward.length()
    ward.observe(REFUSED)

    assert [ward.wait() for _ in range(10)] == [QUARTER] * 10
