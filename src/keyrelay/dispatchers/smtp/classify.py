"""Classification: the outcome of an attempt by the server's replies.

A refusal is read in this order: words in its text (throttling.py), the enhanced status
code (RFC 3463), the reply code (RFC 5321 section 4.2), the phase. Words come first
because providers throttle with codes that mean a permanent failure.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import ConversationFailed, Phase, SmtpReply
from keyrelay.dispatchers.smtp.throttling import (
    has_too_many_recipients,
    is_of_recipient,
    plain_words,
    read_throttle,
    waiting_time,
)
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    Part,
    ReasonClass,
    Rejected,
    Uncertain,
)

# A rate is often not named either where a server asks for slowness with its code.
_BUSY_PAUSE = timedelta(minutes=1)
_LONGEST_HINT = timedelta(hours=1)  # of what is no throttling, greylisting for example

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_ENHANCED_AT_END = re.compile(r"\(#([245])\.(\d{1,3})\.(\d{1,3})\)")  # qmail's form

_BEFORE_LOGIN = (Phase.CONNECT, Phase.EHLO)
_CREDENTIAL_CODES = frozenset({530, 534, 535})
_BUSY_CODES = frozenset({421, 432, 454})
# Of Exchange's servers; to AUTH it asks for another password (RFC 4954 section 6).
_TOO_MANY_AT_ONCE = 432
_NOT_UNDERSTOOD = frozenset({500, 502, 503, 504})
_NO_STATUS = "."
_TOO_BIG = frozenset({"2.3", "3.4"})
_RECIPIENT_SUBJECTS = frozenset({"1", "2"})  # of RFC 3463: address, mailbox


def classify(reply: SmtpReply, phase: Phase) -> Deferred | Rejected:
    """Return the outcome for one refusing reply, of code 4xx or 5xx, in `phase`."""
    reason = f"the server answered {phase} with {reply}"
    words = plain_words(reply.text)
    class_, *status = _status(reply)
    if has_too_many_recipients(words):
        # A 552 here is read as 452: RFC 5321 section 4.5.3.1.10.
        return Deferred(reason)
    detail = ".".join(status)
    if detail not in _TOO_BIG and (throttle := read_throttle(words, detail, phase)):
        # A recipient that gets too much is no reason to slow the peer's other mails,
        # and what the secret may not send just now is no attempt of this mail.
        blame = Blame.RATE if throttle.by_sender else Blame.MESSAGE
        return Deferred(reason, throttle.wait, not throttle.by_sender, blame)
    if class_ == "5" and phase not in _BEFORE_LOGIN:
        return _permanent(reply, phase, detail, reason)
    hint = min(waiting_time(words) or timedelta(), _LONGEST_HINT)
    if reply.code == _TOO_MANY_AT_ONCE:
        hint = hint or _BUSY_PAUSE
    return Deferred(reason, hint, blame=_blame(reply, phase, status[0]))


def all_recipients_refused(answers: Mapping[str, SmtpReply]) -> Deferred | Rejected:
    """Return the outcome when every recipient was refused. `answers` are by address."""
    outcomes = [classify(answer, Phase.RCPT) for answer in answers.values()]
    deferred = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    if deferred:
        return replace(_most_serious(deferred), parts=_parts(answers, None))
    return replace(outcomes[0], parts=_unsettled(_parts(answers, None)))


def message_refused(
    answers: Mapping[str, SmtpReply], reply: SmtpReply, phase: Phase
) -> Deferred | Rejected:
    """Return the outcome when recipients were accepted, and then the mail was not."""
    outcome = classify(reply, phase)
    parts = _parts(answers, reply)
    if isinstance(outcome, Rejected):
        return replace(outcome, parts=_unsettled(parts))
    return replace(outcome, parts=parts)


def message_answered(answers: Mapping[str, SmtpReply], final: SmtpReply) -> Outcome:
    """Return the outcome by the clear reply to the mail's content."""
    if final.refuses:
        return message_refused(answers, final, Phase.BODY)
    refusals = [classify(a, Phase.RCPT) for a in answers.values() if a.refuses]
    deferred = [refusal for refusal in refusals if isinstance(refusal, Deferred)]
    if deferred:
        return replace(_most_serious(deferred), parts=_parts(answers, final))
    return Delivered(final.scrubbed, _parts(answers, final))


def message_unanswered(
    answers: Mapping[str, SmtpReply], failure: ConversationFailed
) -> Uncertain:
    """Return the outcome when no clear reply to the mail's content came."""
    return Uncertain(str(failure), _parts(answers, None))


def _status(reply: SmtpReply) -> tuple[str, str, str]:
    found = _ENHANCED.match(reply.text) or _ENHANCED_AT_END.search(reply.text)
    return (found[1], found[2], found[3]) if found else (str(reply.code)[0], "", "")


def _permanent(
    reply: SmtpReply, phase: Phase, status: str, reason: str
) -> Deferred | Rejected:
    if phase is Phase.AUTH or reply.code in _CREDENTIAL_CODES:
        # The peer refused the credential; it has not looked at this mail.
        return Deferred(reason, spends_attempt=False, blame=Blame.CREDENTIAL)
    too_big = reply.code == 552 and status == _NO_STATUS
    if status in _TOO_BIG or (too_big and not _is_full(reply, status, phase)):
        return Rejected(reason, Fault.TRIGGER, why=ReasonClass.REFUSED)
    understood = reply.code not in _NOT_UNDERSTOOD
    fault = Fault.DEFINITION if understood else Fault.SYSTEM
    return Rejected(reason, fault, why=ReasonClass.REFUSED)


def _blame(reply: SmtpReply, phase: Phase, subject: str) -> Blame:
    """Return what a temporary refusal means for other mails of the secret."""
    if reply.code == _TOO_MANY_AT_ONCE and phase is not Phase.AUTH:
        return Blame.RATE
    if phase in (*_BEFORE_LOGIN, Phase.AUTH) or reply.code in _BUSY_CODES:
        return Blame.PEER
    if not subject and _is_full(reply, "", phase):
        return Blame.MESSAGE
    if subject:
        return Blame.PEER if subject == "3" else Blame.MESSAGE  # the mail system
    system_wide = reply.code in (451, 452) and phase is not Phase.RCPT
    return Blame.PEER if system_wide else Blame.MESSAGE


def _is_full(reply: SmtpReply, status: str, phase: Phase) -> bool:
    """Tell whether one recipient's mailbox is full, by the words or the status."""
    return is_of_recipient(plain_words(reply.text), status, phase)


def _most_serious(deferrals: list[Deferred]) -> Deferred:
    weight = list(Blame)
    return max(deferrals, key=lambda one: (weight.index(one.blame), one.not_before))


def _parts(
    answers: Mapping[str, SmtpReply], final: SmtpReply | None
) -> tuple[Part, ...]:
    """Return each recipient with its own refusal, or with the `final` reply of all."""
    return tuple(
        Part(address, str(final or answer), settled=final is not None and final.accepts)
        if answer.accepts
        else Part(
            address,
            str(answer),
            settled=isinstance(classify(answer, Phase.RCPT), Rejected),
        )
        for address, answer in answers.items()
    )


def _unsettled(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts as unsettled: nothing was sent, so a redrive tries them all."""
    return tuple(replace(part, settled=False) for part in parts)
