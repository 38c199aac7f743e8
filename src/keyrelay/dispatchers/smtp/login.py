"""Login: EHLO and AUTH with one mechanism, once (RFC 4954).

aiosmtplib's `login` tries every mechanism in turn: one wrong password would count as
three failures, which locks accounts.
"""

from aiosmtplib.auth import auth_login_encode, auth_plain_encode
from aiosmtplib.esmtp import parse_esmtp_extensions

from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.reply import (
    ConversationFailed,
    Phase,
    SessionRefused,
    SmtpReply,
)
from keyrelay.dispatchers.smtp.session import SmtpSession


async def log_in(
    session: SmtpSession, name: bytes, credentials: SmtpCredentials
) -> None:
    """Send EHLO with our `name`, then AUTH PLAIN or, without it, AUTH LOGIN.

    Raises SessionRefused or ConversationFailed.
    """
    greeting = await session.command("EHLO", name)
    if greeting.refuses:
        raise SessionRefused(greeting, Phase.CONNECT)
    session.extensions, mechanisms = parse_esmtp_extensions(greeting.text)
    if "plain" in mechanisms:
        reply = await _plain(session, credentials)
    elif "login" in mechanisms:
        reply = await _login(session, credentials)
    else:
        raise ConversationFailed("the server offers neither AUTH PLAIN nor AUTH LOGIN")
    if reply.refuses:
        raise SessionRefused(reply, Phase.AUTH)


async def _plain(session: SmtpSession, credentials: SmtpCredentials) -> SmtpReply:
    answer = auth_plain_encode(credentials.username, credentials.password.reveal())
    return await session.command("AUTH", b"PLAIN", answer)


async def _login(session: SmtpSession, credentials: SmtpCredentials) -> SmtpReply:
    user, password = auth_login_encode(
        credentials.username, credentials.password.reveal()
    )
    # The user name is not on the first line: a server that ignores it there would
    # take the password for the user name and write it into its log.
    for line in (b"AUTH LOGIN", user):
        reply = await session.send_line("AUTH", line, expects=3)
        if reply.refuses:
            return reply
    return await session.send_line("AUTH", password)
