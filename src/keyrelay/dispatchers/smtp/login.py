"""Login: EHLO and AUTH on a connection that is secure."""

from keyrelay.dispatchers.smtp.auth import authenticate, judges_no_password
from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.reply import (
    ConversationFailed,
    Phase,
    SessionRefused,
    SmtpReply,
    extensions_of,
)
from keyrelay.dispatchers.smtp.session import SmtpSession


async def log_in(
    session: SmtpSession, name: bytes, credentials: SmtpCredentials
) -> None:
    """Send EHLO with our `name`, then AUTH PLAIN or LOGIN, as the server offers it.

    Raises SessionRefused or ConversationFailed.
    """
    greeting = await session.command("EHLO", name)
    if greeting.refuses:
        raise SessionRefused(greeting, Phase.EHLO)
    session.extensions = extensions_of(greeting)
    offered = session.extensions.get("auth", "")
    said = session.connection.scrubber(offered)
    if not {"plain", "login"} & set(offered.lower().split()):
        raise ConversationFailed(
            f"the server offers AUTH {said}, but neither PLAIN nor LOGIN"
            if offered
            else "the server offers no AUTH"
        )
    reply = await _authenticated(session, offered, credentials)
    if judges_no_password(reply):
        raise ConversationFailed(
            f"the server offers AUTH {said} and answers it with {reply}"
        )
    if reply.refuses:
        raise SessionRefused(reply, Phase.AUTH)
    if not reply.accepts:
        raise ConversationFailed(f"the server answered AUTH with {reply.code}")


async def _authenticated(
    session: SmtpSession, offered: str, credentials: SmtpCredentials
) -> SmtpReply:
    dialogue = authenticate(offered.lower().split(), credentials)
    line = next(dialogue)
    while True:
        reply = await session.send_line("AUTH", line, expects=(2, 3))
        try:
            line = dialogue.send(reply)
        except StopIteration as end:
            last: SmtpReply = end.value
            return last
