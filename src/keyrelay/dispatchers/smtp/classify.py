"""Classification: what a server's replies make of an attempt.

A refusal is read in this order: words in its text, the enhanced status code
(RFC 3463), the basic code (RFC 5321), the phase. Words come first because
providers throttle with codes that mean "never".
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from keyrelay.dispatchers.smtp.reply import Broken, Phase, SmtpReply
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

# When a provider says "slower" without saying for how long: they count by minutes.
_SLOWER = timedelta(minutes=1)

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
# Addresses are echoed: rate@example.com is no complaint about a rate.
_ADDRESS = re.compile(r"<[^>]*>|\S*@\S*")
_THROTTLED = re.compile(
    r"\b(?:rates?|frequency|frequently (?!asked)|throttl\w*|too (?:fast|quickly|often)"
    r"|too many (?!hops|received|recipients)"
    r"|(?:sending|daily|hourly|message) (?!size )(?:\w+ )?"
    r"(?:limits?|quotas?)\b(?! size))\b",
    re.IGNORECASE,
)
_TOO_MANY_RECIPIENTS = re.compile(r"\btoo many recipients\b", re.IGNORECASE)
_WAIT = re.compile(
    r"\b(?:in|after|for|wait) (\d{1,4}) ?(s|sec\w*|m|min\w*)\b", re.IGNORECASE
)

_CREDENTIAL_CODES = frozenset({530, 534, 535})
_BUSY_CODES = frozenset({421, 432, 454})
_NOT_UNDERSTOOD = frozenset({500, 502, 503, 504})
_NO_STATUS = "."
_TOO_BIG = frozenset({"2.3", "3.4"})
_RECIPIENTS_OWN = frozenset({"1", "2"})  # addresses and mailboxes


def refusal(reply: SmtpReply, phase: Phase) -> Deferred | Rejected:
    """Return what one refusing reply to `phase` means."""
    reason = f"the server answered {phase} with {reply}"
    words = _ADDRESS.sub(" ", reply.text)
    class_, *status = _status(reply)
    if _TOO_MANY_RECIPIENTS.search(words):
        # Some say 552 here; it is to be read as 452: RFC 5321 section 4.5.3.1.10.
        return Deferred(reason)
    if _THROTTLED.search(words):
        # Not ours to mend if it is a recipient who gets too much.
        blame = Blame.MESSAGE if status[0] in _RECIPIENTS_OWN else Blame.PEER
        return Deferred(reason, _wait(words) or _SLOWER, blame=blame)
    if class_ == "5" and phase is not Phase.CONNECT:
        return _never(reply, phase, ".".join(status), reason)
    blame = _blame(reply, phase, status[0])
    not_before = _wait(words) or (_SLOWER if reply.code == 432 else timedelta())
    return Deferred(reason, not_before, blame=blame)


def nobody_took_it(answers: Mapping[str, SmtpReply]) -> Deferred | Rejected:
    """Return the outcome when every recipient was refused."""
    verdicts = [refusal(answer, Phase.RCPT) for answer in answers.values()]
    later = [verdict for verdict in verdicts if isinstance(verdict, Deferred)]
    if later:
        return replace(_gravest(later), parts=_parts(answers, None))
    return replace(verdicts[0], parts=_unsettled(_parts(answers, None)))


def refused_as_a_whole(
    answers: Mapping[str, SmtpReply], reply: SmtpReply, phase: Phase
) -> Deferred | Rejected:
    """Return the outcome when recipients were taken, then the message was not."""
    verdict = refusal(reply, phase)
    parts = _parts(answers, reply)
    if isinstance(verdict, Rejected):
        return replace(verdict, parts=_unsettled(parts))
    return replace(verdict, parts=parts)


def concluded(answers: Mapping[str, SmtpReply], final: SmtpReply) -> Outcome:
    """Return the outcome once the message itself has a clear reply."""
    if final.refuses:
        return refused_as_a_whole(answers, final, Phase.BODY)
    refusals = [refusal(a, Phase.RCPT) for a in answers.values() if a.refuses]
    later = [verdict for verdict in refusals if isinstance(verdict, Deferred)]
    if later:
        return replace(_gravest(later), parts=_parts(answers, final))
    return Delivered(final.text, _parts(answers, final))


def unclear(answers: Mapping[str, SmtpReply], fact: Broken) -> Uncertain:
    """Return the outcome when nobody knows whether those who were taken have it."""
    return Uncertain(str(fact), _parts(answers, None))


def _status(reply: SmtpReply) -> tuple[str, str, str]:
    found = _ENHANCED.match(reply.text)
    return (found[1], found[2], found[3]) if found else (str(reply.code)[0], "", "")


def _wait(words: str) -> timedelta | None:
    found = _WAIT.search(words)
    if found is None:
        return None
    unit = "minutes" if found[2].lower().startswith("m") else "seconds"
    return timedelta(**{unit: int(found[1])})


def _never(
    reply: SmtpReply, phase: Phase, status: str, reason: str
) -> Deferred | Rejected:
    if phase is Phase.AUTH or reply.code in _CREDENTIAL_CODES:
        # It is about who we are: to this message nothing has happened.
        return Deferred(reason, spends_attempt=False, blame=Blame.CREDENTIAL)
    if status in _TOO_BIG or (reply.code == 552 and status == _NO_STATUS):
        return Rejected(reason, Fault.TRIGGER)
    understood = reply.code not in _NOT_UNDERSTOOD
    return Rejected(reason, Fault.DEFINITION if understood else Fault.SYSTEM)


def _blame(reply: SmtpReply, phase: Phase, subject: str) -> Blame:
    """Tell from a reply that says "later" whether the next message meets the same."""
    if phase in (Phase.CONNECT, Phase.AUTH) or reply.code in _BUSY_CODES:
        return Blame.PEER
    if subject:
        return Blame.PEER if subject == "3" else Blame.MESSAGE  # the mail system
    about_us = reply.code in (451, 452) and phase is not Phase.RCPT
    return Blame.PEER if about_us else Blame.MESSAGE


def _gravest(deferrals: list[Deferred]) -> Deferred:
    weight = [Blame.MESSAGE, Blame.PEER, Blame.CREDENTIAL]
    return max(deferrals, key=lambda one: (weight.index(one.blame), one.not_before))


def _parts(
    answers: Mapping[str, SmtpReply], final: SmtpReply | None
) -> tuple[Part, ...]:
    """Return each recipient with its own refusal, or with the `final` reply of all."""
    return tuple(
        Part(address, str(final or answer), settled=final is not None and final.takes)
        if answer.takes
        else Part(
            address,
            str(answer),
            settled=isinstance(refusal(answer, Phase.RCPT), Rejected),
        )
        for address, answer in answers.items()
    )


def _unsettled(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """For whom nothing was sent: a redrive is to try them all again."""
    return tuple(replace(part, settled=False) for part in parts)
