"""Opener: from credentials to a session that is logged in, or to an outcome."""

import asyncio
import re
import socket
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace

from aiosmtplib.protocol import SMTPProtocol

from keyrelay.dispatchers.scrub import Scrubber
from keyrelay.dispatchers.smtp.classify import classify
from keyrelay.dispatchers.smtp.connect import AddressRefused, Connector
from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.dispatchers.smtp.login import log_in
from keyrelay.dispatchers.smtp.reply import ConversationFailed, Phase, SessionRefused
from keyrelay.dispatchers.smtp.session import SecuredConnection, SmtpSession
from keyrelay.dispatchers.smtp.starttls import InsecureConnection, StartTls
from keyrelay.model.outcome import Blame, Deferred, Rejected

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FULL_NAME = re.compile(rf"(?:{_LABEL}\.)+({_LABEL})\.?")
_LOCAL = frozenset({"localdomain", "local", "localhost", "internal", "invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpener:
    """Opens sessions: TCP, STARTTLS, AUTH, in this order and with no fallback.

    `name` is what EHLO calls us; None, what `_client_name` finds. Servers on the ports
    `tls_at_once` speak TLS from the first byte (RFC 8314).
    """

    connector: Connector
    starttls: StartTls
    limits: Limits
    name: str | None = None
    tls_at_once: Collection[int] = frozenset({465})

    async def open(
        self, credentials: SmtpCredentials
    ) -> SmtpSession | Deferred | Rejected:
        """Return a session that is logged in, or why there is none.

        A server without STARTTLS, or with a certificate that does not verify, is
        deferred: its operator can repair that without a change here. So is a name that
        leads to an address that is not permitted, if only in one answer of its DNS. If
        that does not happen, the schedule ends in a dead letter that gives the reason.
        """
        scrubber = Scrubber.of((credentials.username, credentials.password.reveal()))
        try:
            return await self._open(credentials, scrubber)
        except SessionRefused as refused:
            reply = replace(refused.reply, scrubber=scrubber)
            return classify(reply, refused.phase)
        except (AddressRefused, InsecureConnection, ConversationFailed) as failure:
            return Deferred(str(failure), blame=Blame.PEER)

    async def _open(
        self, credentials: SmtpCredentials, scrubber: Scrubber
    ) -> SmtpSession:
        host = credentials.smtp_server.removesuffix(".")
        port = credentials.smtp_port
        connection = await self.connector.connect(credentials.smtp_server, port)
        name = self.name or _client_name(credentials.username, connection)
        closed = asyncio.Event()

        def on_closed(_: SMTPProtocol) -> None:
            closed.set()

        if port in self.tls_at_once:
            protocol = await self.starttls.handshake(connection, host, on_closed)
        else:
            protocol = await self.starttls.secure(
                connection, host, name.encode(), on_closed
            )
        secured = SecuredConnection(protocol=protocol, closed=closed, scrubber=scrubber)
        session = SmtpSession(connection=secured, limits=self.limits)
        with ExitStack() as unless_open:
            unless_open.callback(session.quit)
            if port in self.tls_at_once:
                await _read_greeting(session)
            await log_in(session, name.encode(), credentials)
            unless_open.pop_all()
        return session


async def _read_greeting(session: SmtpSession) -> None:
    greeting = await session.greeting()
    if greeting.refuses:
        raise SessionRefused(greeting, Phase.CONNECT)


def _client_name(username: str, connection: socket.socket) -> str:
    """Return our name for EHLO (RFC 5321 section 4.1.1.1), without asking anyone.

    The host's full name; else the domain of the user name, since relays refuse
    addresses; else our address as a literal (section 4.1.3).
    """
    for name in (socket.gethostname(), username.rpartition("@")[2]):
        if is_full_name(name):
            return name
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def is_full_name(name: str) -> bool:
    """Tell whether a host can be known by that name outside its own network."""
    found = _FULL_NAME.fullmatch(name)
    return found is not None and len(name) <= 253 and found[1].lower() not in _LOCAL
