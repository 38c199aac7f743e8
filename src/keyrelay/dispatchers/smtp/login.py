"""Logging in: one mechanism, once.

aiosmtplib's `login` tries every mechanism in turn, so that one wrong password
counts as three failures, and locks accounts.
"""

from aiosmtplib.auth import auth_login_encode, auth_plain_encode
from aiosmtplib.esmtp import parse_esmtp_extensions

from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.reply import Broken, Phase, SessionRefused, SmtpReply
from keyrelay.dispatchers.smtp.session import SmtpSession


async def log_in(
    session: SmtpSession, name: bytes, credentials: SmtpCredentials
) -> None:
    """Say EHLO as `name`, then AUTH; raises SessionRefused or Broken."""
    greeting = await session.command("EHLO", name)
    if greeting.refuses:
        raise SessionRefused(greeting, Phase.CONNECT)
    session.offers, mechanisms = parse_esmtp_extensions(greeting.text)
    if "plain" in mechanisms:
        reply = await _plain(session, credentials)
    elif "login" in mechanisms:
        reply = await _login(session, credentials)
    else:
        raise Broken("the server offers neither AUTH PLAIN nor AUTH LOGIN")
    if reply.refuses:
        raise SessionRefused(reply, Phase.AUTH)


async def _plain(session: SmtpSession, credentials: SmtpCredentials) -> SmtpReply:
    answer = auth_plain_encode(credentials.username, credentials.password.reveal())
    return await session.command("AUTH", b"PLAIN", answer)


async def _login(session: SmtpSession, credentials: SmtpCredentials) -> SmtpReply:
    user, password = auth_login_encode(
        credentials.username, credentials.password.reveal()
    )
    # The user name not on the first line: a server that overlooks it there would
    # take the password for the user name, and write that into its log.
    for line in (b"AUTH LOGIN", user):
        reply = await session.say("AUTH", line, expects=3)
        if reply.refuses:
            return reply
    return await session.say("AUTH", password)
