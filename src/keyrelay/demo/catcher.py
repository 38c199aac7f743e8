"""Mail catcher: a submission server that keeps what it is sent in memory.

It behaves as providers do: no AUTH before STARTTLS, no mail without AUTH.
"""

import asyncio
import hmac
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as RULES
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
_REFUSED = "550 5.1.1 No such mailbox here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may send, and how the catcher treats those who do.

    It takes `pace` for each mail, and refuses `departed` as a recipient for good.
    """

    username: str
    password: str = field(repr=False)
    departed: str
    pace: timedelta


@dataclass(frozen=True, slots=True)
class Catcher:
    """What was caught, in the order of arrival. The methods are aiosmtpd's hooks."""

    account: Account
    announce: Callable[[], None]
    mails: list[EmailMessage] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def admit(self, mechanism: str, login: object) -> AuthResult:
        good = isinstance(login, LoginPassword) and all(
            hmac.compare_digest(given, expected.encode())
            for given, expected in (
                (login.login, self.account.username),
                (login.password, self.account.password),
            )
        )
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address == self.account.departed:
            self.refused.append(address)
            return _REFUSED
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - the same
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        # Before it is kept: who is cut off meanwhile has sent nothing.
        await asyncio.sleep(self.account.pace.total_seconds())
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(BytesParser(EmailMessage, policy=RULES).parsebytes(content))
        self.announce()
        return "250 2.0.0 Taken"


@asynccontextmanager
async def catching(catcher: Catcher, ca_file: Path) -> AsyncIterator[int]:
    """Serve on a free port; who vouches for `localhost` is written to the file."""
    # A killed worker's broken lines are expected, and no news to the reader.
    logging.getLogger("mail").setLevel(logging.CRITICAL)
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", HOST).configure_cert(tls)
    authority.cert_pem.write_to_path(str(ca_file))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _session(catcher, tls, loop), HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # Who is still connected has died, or is none of ours: nobody is waited for.
        server.close()


def _session(
    catcher: Catcher, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop
) -> SMTP:
    return SMTP(
        catcher,
        hostname="localhost",
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        authenticator=lambda _server, _session, _envelope, mechanism, login: (
            catcher.admit(mechanism, login)
        ),
        loop=loop,
    )
