from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.classify import (
    all_recipients_refused,
    classify,
    message_answered,
    message_unanswered,
)
from keyrelay.dispatchers.smtp.reply import ConversationFailed, Phase, SmtpReply
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Part,
    ReasonClass,
    Rejected,
    Uncertain,
)

MINUTE = timedelta(minutes=1)
OK = SmtpReply(250, "2.1.5 Ok")
CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, BODY = Phase

THROTTLED = [
    (550, "5.4.5 Daily user sending limit exceeded", MAIL, 24 * 60 * MINUTE),
    (550, "sending rate exceeded", BODY, MINUTE),
    (550, "mail frequency limited", RCPT, MINUTE),
    (454, "4.7.0 Too many login attempts, try later", AUTH, MINUTE),
    (535, "5.7.0 too many failed logins", AUTH, MINUTE),
    (421, "4.7.0 Too many connections", CONNECT, MINUTE),
    (451, "4.7.500 Server busy, please slow down, too fast", MAIL, MINUTE),
    (550, "5.7.1 rate limited, retry after 300 seconds", BODY, 5 * MINUTE),
]

LATER = [
    # Fewer at once; of a login it asks for another password (RFC 4954 section 6).
    (432, "4.3.2 Concurrent connections", MAIL, MINUTE, Blame.RATE),
    (432, "", RCPT, MINUTE, Blame.RATE),
    (432, "4.7.12 A password transition is needed", AUTH, MINUTE, Blame.PEER),
    # How long, if they say so; at most an hour.
    (450, "4.7.1 Greylisted for 5 minutes", RCPT, 5 * MINUTE, Blame.MESSAGE),
    (450, "4.7.1 try again in 90s", RCPT, 1.5 * MINUTE, Blame.MESSAGE),
    (451, "4.7.1 Greylisted, come back in 00:02:00", RCPT, 2 * MINUTE, Blame.MESSAGE),
    (450, "4.7.1 Greylisted, wait 9 days", RCPT, 60 * MINUTE, Blame.MESSAGE),
    (422, "try again in 15 seconds.", AUTH, MINUTE / 4, Blame.PEER),
    # The recipient gets too much mail; other mails need not wait for it.
    (450, "4.2.1 The user receives mail at a rate that", RCPT, MINUTE, Blame.MESSAGE),
    # An enhanced status of class 4 beats a basic code of class 5.
    (550, "4.7.1 greylisted", RCPT, timedelta(), Blame.MESSAGE),
    # RFC 5321 section 4.5.3.1.10.
    (452, "4.5.3 Too many recipients", RCPT, timedelta(), Blame.MESSAGE),
    (552, "too many recipients", RCPT, timedelta(), Blame.MESSAGE),
    # The server, or the message.
    (421, "4.3.2 going down", MAIL, timedelta(), Blame.PEER),
    (421, "", RCPT, timedelta(), Blame.PEER),
    (450, "", MAIL, timedelta(), Blame.MESSAGE),
    (450, "4.1.8 sender's domain not found", MAIL, timedelta(), Blame.MESSAGE),
    (451, "", MAIL, timedelta(), Blame.PEER),
    (451, "", RCPT, timedelta(), Blame.MESSAGE),
    (451, "4.3.0 no disk", RCPT, timedelta(), Blame.PEER),
    (452, "4.3.1 no space", BODY, timedelta(), Blame.PEER),
    (454, "4.7.0 not now", AUTH, timedelta(), Blame.PEER),
    (554, "5.3.2 no service here", CONNECT, timedelta(), Blame.PEER),
    (550, "5.7.1 no such name", EHLO, timedelta(), Blame.PEER),
]

NEVER = [
    # Words that look like "slower" and are not.
    (552, "5.2.3 Your message exceeded our message size limits", BODY, Fault.TRIGGER),
    (552, "5.3.4 Message size limit exceeded", BODY, Fault.TRIGGER),
    (550, "5.7.1 denied, see our Frequently Asked Questions", MAIL, Fault.DEFINITION),
    (550, "5.1.1 no such user", RCPT, Fault.DEFINITION),
    (550, "", RCPT, Fault.DEFINITION),
    (450, "5.1.1 no such user, says the status", RCPT, Fault.DEFINITION),
    (552, "5.2.2 mailbox full", RCPT, Fault.DEFINITION),
    (552, "message too big", BODY, Fault.TRIGGER),
    (553, "5.7.1 sender not owned by user", RCPT, Fault.DEFINITION),
    (501, "5.1.7 bad sender", MAIL, Fault.DEFINITION),
    (552, "5.3.4 message exceeds the size limit", MAIL, Fault.TRIGGER),
    (550, "5.2.3 message too long", BODY, Fault.TRIGGER),
    (554, "5.7.1 looks like spam", BODY, Fault.DEFINITION),
    (554, "5.7.9 not accepted for policy reasons", BODY, Fault.DEFINITION),
    (503, "5.5.1 bad sequence", DATA, Fault.SYSTEM),
    # Words that only look like complaints about a rate.
    (550, "5.1.1 <rate@example.com> no such user", RCPT, Fault.DEFINITION),
    (550, "5.1.1 frequency@example.com unknown", RCPT, Fault.DEFINITION),
    (550, "5.7.1 separate and corporate", RCPT, Fault.DEFINITION),
    (554, "5.4.6 too many hops", BODY, Fault.DEFINITION),
    (552, "5.3.4 Message size exceeds message limit size", BODY, Fault.TRIGGER),
]


@pytest.mark.parametrize(("code", "text", "phase", "wait"), THROTTLED)
def test_what_the_secret_may_not_send_just_now_spends_no_attempt_and_slows_it(
    code: int, text: str, phase: Phase, wait: timedelta
) -> None:
    assert classify(SmtpReply(code, text), phase) == Deferred(
        f"the server answered {phase} with {code} {text}",
        wait,
        spends_attempt=False,
        blame=Blame.RATE,
    )


@pytest.mark.parametrize(("code", "text", "phase", "wait", "blame"), LATER)
def test_a_temporary_refusal_is_deferred(
    code: int, text: str, phase: Phase, wait: timedelta, blame: Blame | None
) -> None:
    assert classify(SmtpReply(code, text), phase) == Deferred(
        f"the server answered {phase} with {code} {text}",
        wait,
        blame=blame or Blame.PEER,
    )


@pytest.mark.parametrize(("code", "text", "phase", "fault"), NEVER)
def test_a_permanent_refusal_is_rejected(
    code: int, text: str, phase: Phase, fault: Fault
) -> None:
    reason = f"the server answered {phase} with {code} {text}"
    assert classify(SmtpReply(code, text), phase) == Rejected(
        reason, fault, why=ReasonClass.REFUSED
    )


@pytest.mark.parametrize(
    ("code", "text", "phase"),
    [
        (535, "5.7.8 bad credentials", AUTH),
        (535, "", AUTH),
        (534, "5.7.9 mechanism too weak", AUTH),
        (530, "5.7.57 client not authenticated", MAIL),
        (535, "5.7.3 authentication unsuccessful", RCPT),
        (525, "5.7.13 account disabled", AUTH),
        (550, "5.7.1 account suspended", AUTH),
        (454, "5.7.8 says the status", AUTH),
    ],
)
def test_a_refused_credential_spends_no_attempt(
    code: int, text: str, phase: Phase
) -> None:
    assert classify(SmtpReply(code, text), phase) == Deferred(
        f"the server answered {phase} with {code} {text}",
        spends_attempt=False,
        blame=Blame.CREDENTIAL,
    )


@given(st.integers(400, 599), st.text(max_size=40), st.sampled_from(Phase))
def test_every_refusal_is_deferred_or_rejected(
    code: int, text: str, phase: Phase
) -> None:
    outcome = classify(SmtpReply(code, text), phase)

    assert outcome.parts == ()
    assert isinstance(outcome, Deferred) or phase not in (CONNECT, EHLO)


@given(st.integers(400, 499), st.sampled_from(Phase))
def test_a_4xx_without_enhanced_status_is_never_final(code: int, phase: Phase) -> None:
    assert isinstance(classify(SmtpReply(code, "no"), phase), Deferred)


def test_the_most_serious_of_several_deferrals_is_the_outcome() -> None:
    outcome = all_recipients_refused(
        {
            "a@x": SmtpReply(450, "4.2.0 busy"),
            "b@x": SmtpReply(451, "4.3.0 no disk"),
            "c@x": SmtpReply(450, "4.2.0 busy"),
        }
    )

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert outcome.reason == "the server answered RCPT with 451 4.3.0 no disk"


def test_an_accepted_recipient_is_settled_by_the_final_reply_alone() -> None:
    answers = {"a@x": OK, "b@x": SmtpReply(550, "5.1.1 no")}
    final = SmtpReply(250, "queued")

    assert message_answered(answers, final) == Delivered(
        "queued",
        (
            Part("a@x", "250 queued", settled=True),
            Part("b@x", "550 5.1.1 no", settled=True),
        ),
    )
    assert message_unanswered(answers, ConversationFailed("silence")) == Uncertain(
        "silence",
        (
            Part("a@x", "250 2.1.5 Ok", settled=False),
            Part("b@x", "550 5.1.1 no", settled=True),
        ),
    )


def test_after_a_permanent_refusal_a_redrive_tries_all_recipients() -> None:
    answers = {"a@x": OK, "b@x": SmtpReply(550, "5.1.1 no")}

    outcome = message_answered(answers, SmtpReply(554, "5.6.0 no"))

    assert isinstance(outcome, Rejected)
    assert [part.settled for part in outcome.parts] == [False, False]


def test_after_a_temporary_refusal_accepted_recipients_are_left() -> None:
    answers = {"a@x": OK, "b@x": SmtpReply(550, "5.1.1 no")}

    outcome = message_answered(answers, SmtpReply(451, "4.3.0 no"))

    assert isinstance(outcome, Deferred)
    assert [part.settled for part in outcome.parts] == [False, True]
