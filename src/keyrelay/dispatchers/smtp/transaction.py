"""A transaction: one mail over one session, from MAIL to the final dot."""

import asyncio

from keyrelay.dispatchers.smtp.classify import (
    concluded,
    nobody_took_it,
    refusal,
    refused_as_a_whole,
    unclear,
)
from keyrelay.dispatchers.smtp.compose import ComposedMail
from keyrelay.dispatchers.smtp.reply import Broken, Phase, SmtpReply
from keyrelay.dispatchers.smtp.session import SmtpSession
from keyrelay.model.outcome import Outcome


async def transact(session: SmtpSession, envelope: ComposedMail) -> Outcome:
    """Hand over `envelope`.

    Raises Broken or Stale, and then certainly nobody has it.
    """
    try:
        async with asyncio.timeout(session.limits.stage.total_seconds()):
            answers = await _offer(session, envelope)
    except TimeoutError:
        raise Broken("the server took too long over the envelope") from None
    if not isinstance(answers, dict):
        return answers
    session.send(envelope.content)
    # From here on only a clear refusal proves that the message was not kept, and
    # nothing that happens to the connection can change what was said before.
    try:
        final = await session.verdict()
    except Broken as fact:
        session.abort()
        return unclear(answers, fact)
    return concluded(answers, final)


async def _offer(
    session: SmtpSession, envelope: ComposedMail
) -> dict[str, SmtpReply] | Outcome:
    """Return the recipients' replies once the server waits for the message."""
    reply = await session.begin(envelope.sender, len(envelope.content))
    if reply.refuses:
        return refusal(reply, Phase.MAIL)
    answers: dict[str, SmtpReply] = {}
    for address in envelope.recipients:
        reply = await session.command("RCPT", f"TO:<{address}>".encode())
        if reply.closes:
            return refusal(reply, Phase.RCPT)
        answers[address] = reply
    if not any(answer.takes for answer in answers.values()):
        return nobody_took_it(answers)
    reply = await session.command("DATA", expects=3)
    if reply.refuses:
        return refused_as_a_whole(answers, reply, Phase.DATA)
    return answers
