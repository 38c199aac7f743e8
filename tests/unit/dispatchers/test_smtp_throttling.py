from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.classify import classify
from keyrelay.dispatchers.smtp.reply import Phase, SmtpReply
from keyrelay.dispatchers.smtp.throttling import LONGEST_WAIT, read_throttle
from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.model.outcome import Blame, Deferred, Rejected
from tests.samples import NOON, a_secret
from tests.unit.dispatchers.throttled_replies import LATER, NEVER

NAMED = [
    (phase, code, text)
    for phase, code, text, by_sender, _ in LATER
    if by_sender and phase is Phase.BODY
]


def test_the_table_of_real_replies_is_long() -> None:
    assert len(LATER) + len(NEVER) >= 100
    assert len(LATER) >= 60


@pytest.mark.parametrize(("phase", "code", "text", "by_sender", "wait"), LATER)
def test_too_much_just_now_waits_as_long_as_its_words_say(
    phase: Phase, code: int, text: str, *, by_sender: bool, wait: timedelta
) -> None:
    outcome = classify(SmtpReply(code, text), phase)

    assert isinstance(outcome, Deferred)
    assert outcome.blame is (Blame.RATE if by_sender else Blame.MESSAGE)
    assert outcome.spends_attempt is not by_sender
    assert outcome.not_before == wait


@pytest.mark.parametrize(("phase", "code", "text", "by_sender", "wait"), LATER)
def test_a_server_that_throttles_is_slowed_before_its_secret_is_paused(
    phase: Phase, code: int, text: str, *, by_sender: bool, wait: timedelta
) -> None:
    said = classify(SmtpReply(code, text), phase)
    circuits = Circuits(now=lambda: NOON, wake=lambda _: None)
    breaker = Breaker(slow_limit=24, circuits=circuits, told=lambda _: None)
    secret = a_secret()
    begun = [breaker.attempt(secret) for _ in range(8)]
    together = [each.__enter__() for each in begun]
    for each, attempt in zip(begun, together, strict=True):
        each.__exit__(None, None, None)
        breaker.observe(attempt, said)

    with ExitStack() as under_way:
        admitted = 0
        while admitted < 24 and breaker.admit(secret) is None:
            under_way.enter_context(breaker.attempt(secret))
            admitted += 1

    assert admitted == (4 if by_sender else 24)
    assert circuits.paused().total() == 0


@pytest.mark.parametrize(("phase", "code", "text"), NEVER)
def test_words_that_only_look_like_a_throttle_stay_final(
    phase: Phase, code: int, text: str
) -> None:
    assert isinstance(classify(SmtpReply(code, text), phase), Rejected)


@pytest.mark.parametrize(("phase", "code", "text"), NAMED)
@pytest.mark.parametrize("other", [450, 452, 550, 554])
def test_the_code_of_a_throttle_does_not_matter(
    phase: Phase, code: int, text: str, other: int
) -> None:
    assert code
    outcome = classify(SmtpReply(other, text), phase)

    assert isinstance(outcome, Deferred)
    assert not outcome.spends_attempt


@pytest.mark.parametrize("code", [450, 452, 422])
@pytest.mark.parametrize(
    "text",
    [
        "4.2.2 The email account that you tried to reach is over quota.",
        "Mailbox full",
        "mailbox quota usage exceeded",
        "not enough storage space in the mailbox of ada@example.com",
        "4.2.2 daily quota exceeded",
    ],
)
def test_a_full_mailbox_is_never_the_secrets_fault(code: int, text: str) -> None:
    outcome = classify(SmtpReply(code, text), Phase.RCPT)

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.MESSAGE
    assert outcome.spends_attempt


def test_a_quota_with_no_mailbox_named_is_the_senders_before_a_recipient_is() -> None:
    before = classify(SmtpReply(552, "quota exceeded"), Phase.MAIL)
    after = classify(SmtpReply(552, "quota exceeded"), Phase.RCPT)

    assert isinstance(before, Deferred)
    assert isinstance(after, Rejected)


@given(st.text(), st.sampled_from(["", "2.2", "4.5"]), st.sampled_from(Phase))
def test_a_wait_is_bounded_for_any_words(text: str, status: str, phase: Phase) -> None:
    throttle = read_throttle(f"daily limit exceeded {text}", status, phase)

    assert throttle is None or timedelta() < throttle.wait <= LONGEST_WAIT


@given(st.integers(0, 10**30), st.sampled_from(["s", "minutes", "hours", "days"]))
def test_a_number_of_any_size_is_a_wait(number: int, unit: str) -> None:
    words = f"rate limited, try again in {number} {unit}"

    outcome = classify(SmtpReply(550, words), Phase.BODY)

    assert isinstance(outcome, Deferred)
    assert timedelta() <= outcome.not_before <= LONGEST_WAIT
