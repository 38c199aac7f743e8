"""Opener: from credentials to a session that is logged in, or to an outcome."""

import asyncio
import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace

from keyrelay.dispatchers.scrub import Scrubber
from keyrelay.dispatchers.smtp.classify import classify
from keyrelay.dispatchers.smtp.connect import AddressRefused, Connector
from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.dispatchers.smtp.login import log_in
from keyrelay.dispatchers.smtp.reply import ConversationFailed, SessionRefused
from keyrelay.dispatchers.smtp.session import SecuredConnection, SmtpSession
from keyrelay.dispatchers.smtp.starttls import InsecureConnection, StartTls
from keyrelay.model.outcome import Blame, Deferred, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpener:
    """Opens sessions: TCP, STARTTLS, AUTH, in this order and with no fallback."""

    connector: Connector
    starttls: StartTls
    limits: Limits

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
        host = credentials.smtp_server
        connection = await self.connector.connect(host, credentials.smtp_port)
        name, closed = _client_name(connection), asyncio.Event()
        protocol = await self.starttls.secure(
            connection, host.removesuffix("."), name, lambda _: closed.set()
        )
        secured = SecuredConnection(protocol=protocol, closed=closed, scrubber=scrubber)
        session = SmtpSession(connection=secured, limits=self.limits)
        with ExitStack() as unless_open:
            unless_open.callback(session.quit)
            await log_in(session, name, credentials)
            unless_open.pop_all()
        return session


def _client_name(connection: socket.socket) -> bytes:
    """Return our address as the literal that EHLO takes (RFC 5321 section 4.1.3)."""
    address = str(connection.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]".encode() if ":" in address else f"[{address}]".encode()
