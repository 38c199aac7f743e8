"""Auth: the client's side of AUTH PLAIN and AUTH LOGIN, apart from any connection.

RFC 4954 and RFC 4616. A dialogue is a generator: it yields the line to send, is sent
the server's reply, and returns the reply that ends it. aiosmtplib's `login` tries every
mechanism in turn: one wrong password would count as three failures, which locks
accounts. Here a second mechanism follows only a reply that judged no password.
"""

from collections.abc import Collection, Generator

from aiosmtplib.auth import auth_login_encode, auth_plain_encode

from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.reply import SmtpReply

Dialogue = Generator[bytes, SmtpReply, SmtpReply]

LONGEST_LINE = 512  # octets of a command, CRLF included: RFC 4954 section 4
_CONTINUE = 334
# The server knows the command or the mechanism not: RFC 4954 section 4.
_NOT_UNDERSTOOD = frozenset({500, 502, 503, 504})


def authenticate(mechanisms: Collection[str], credentials: SmtpCredentials) -> Dialogue:
    """Log in with PLAIN, or else LOGIN, of the `mechanisms` in lower case."""
    reply = SmtpReply(504, "neither PLAIN nor LOGIN is offered")
    for mechanism, dialogue in (("plain", _plain), ("login", _login)):
        if mechanism in mechanisms:
            reply = yield from dialogue(credentials)
            if not judges_no_password(reply):
                return reply
    return reply


def judges_no_password(reply: SmtpReply) -> bool:
    """Tell whether a refusal is of the mechanism or the command, not the password."""
    syntax = reply.code == 501 and reply.text.lstrip().startswith("5.5.")
    return reply.code in _NOT_UNDERSTOOD or syntax


def _plain(credentials: SmtpCredentials) -> Dialogue:
    answer = auth_plain_encode(credentials.username, credentials.password.reveal())
    line = b"AUTH PLAIN " + answer
    reply = yield line if len(line) + len(b"\r\n") <= LONGEST_LINE else b"AUTH PLAIN"
    if reply.code == _CONTINUE:  # some servers do not read it from the first line
        reply = yield answer
    return reply


def _login(credentials: SmtpCredentials) -> Dialogue:
    # The user name is not on the first line: a server that ignores it there would
    # take the password for the user name and write it into its log.
    reply = yield b"AUTH LOGIN"
    for answer in auth_login_encode(
        credentials.username, credentials.password.reveal()
    ):
        if reply.code != _CONTINUE:
            return reply
        reply = yield answer
    return reply
