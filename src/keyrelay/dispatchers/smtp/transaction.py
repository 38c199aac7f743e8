"""Transaction: one mail over one session, from MAIL to the final dot (RFC 5321)."""

from dataclasses import replace
from datetime import timedelta

from keyrelay.dispatchers.smtp.classify import (
    all_recipients_refused,
    classify,
    message_answered,
    message_refused,
    message_unanswered,
)
from keyrelay.dispatchers.smtp.compose import ComposedMail
from keyrelay.dispatchers.smtp.reply import ConversationFailed, Phase, SmtpReply
from keyrelay.dispatchers.smtp.session import SessionExhausted, SmtpSession
from keyrelay.model.outcome import LEASE_LOST, Blame, Deferred, Fault, Outcome, Rejected
from keyrelay.ports import StillHeld

_NO_UTF8 = Rejected(
    "the server does not offer SMTPUTF8, which letters beyond ASCII before the @ of an"
    " address need",
    Fault.DEFINITION,
)
_LIMIT = 452
_LIMIT_PAUSE = timedelta(minutes=1)


async def transact(
    session: SmtpSession, mail: ComposedMail, still_held: StillHeld | None = None
) -> Outcome:
    """Send the mail once, unless the trigger is not held any more.

    Raises ConversationFailed, StaleSession or SessionExhausted; then the server
    certainly has no mail.
    """
    replies = await _offer(session, mail)
    if not isinstance(replies, dict):
        return replies
    if still_held is not None and not await still_held():
        session.abort()  # without the final dot the server keeps nothing
        return LEASE_LOST
    session.send_content(mail.content)
    # From here on only a clear refusal proves that the server has not kept the mail,
    # and a failure of the connection cannot change what was answered before.
    try:
        final = await session.final_reply()
    except ConversationFailed as failure:
        session.abort()
        return message_unanswered(replies, failure)
    return message_answered(replies, final)


def _refused(session: SmtpSession, reply: SmtpReply) -> Outcome:
    """Return what a refused MAIL means; of a session that has taken mails, its end.

    Providers end a session after so many mails with any temporary refusal. Refused by a
    session that has taken none, 452 is a limit of the secret, and no attempt.
    """
    refusal = classify(reply, Phase.MAIL)
    if not isinstance(refusal, Deferred) or refusal.blame is Blame.CREDENTIAL:
        return refusal
    if session.taken:
        raise SessionExhausted
    if reply.code == _LIMIT:
        wait = max(refusal.not_before, _LIMIT_PAUSE)
        return replace(refusal, not_before=wait, spends_attempt=False, blame=Blame.RATE)
    return refusal


async def _offer(
    session: SmtpSession, mail: ComposedMail
) -> dict[str, SmtpReply] | Outcome:
    """Return the reply for each recipient once the server waits for the content."""
    if mail.needs_utf8 and "smtputf8" not in session.extensions:
        return _NO_UTF8
    reply = await session.begin(mail.sender, len(mail.content), utf8=mail.needs_utf8)
    if reply.refuses:
        return _refused(session, reply)
    replies: dict[str, SmtpReply] = {}
    for address in mail.recipients:
        reply = await session.command("RCPT", f"TO:<{address}>".encode())
        if reply.closes:
            return classify(reply, Phase.RCPT)
        replies[address] = reply
    if not any(reply.accepts for reply in replies.values()):
        return all_recipients_refused(replies)
    reply = await session.command("DATA", expects=(3,))
    if reply.refuses:
        return message_refused(replies, reply, Phase.DATA)
    return replies
