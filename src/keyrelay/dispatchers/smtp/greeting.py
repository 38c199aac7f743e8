"""Opening: from credentials to a session, or to the outcome that stands in its way."""

import asyncio
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from keyrelay.dispatchers.smtp.classify import refusal
from keyrelay.dispatchers.smtp.connect import AddressRefused, Connector
from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.dispatchers.smtp.login import log_in
from keyrelay.dispatchers.smtp.reply import Broken, SessionRefused
from keyrelay.dispatchers.smtp.session import SmtpSession
from keyrelay.dispatchers.smtp.starttls import StartTls, Unsafe
from keyrelay.model.outcome import Blame, Deferred, Fault, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    connector: Connector
    starttls: StartTls
    limits: Limits

    async def open(
        self, credentials: SmtpCredentials
    ) -> SmtpSession | Deferred | Rejected:
        """Connect, verify, log in; in this order, or not at all.

        A server without STARTTLS or with a certificate that does not verify is
        deferred: whoever runs it can mend that without us, and if nobody does, the
        schedule ends in a dead letter that says what is wrong.
        """
        try:
            async with asyncio.timeout(self.limits.stage.total_seconds()):
                return await self._open(credentials)
        except AddressRefused as fact:
            return Rejected(str(fact), Fault.DEFINITION)
        except SessionRefused as fact:
            return refusal(fact.reply, fact.phase)
        except (Unsafe, Broken) as fact:
            return Deferred(str(fact), blame=Blame.PEER)
        except TimeoutError:
            return Deferred("opening a session took too long", blame=Blame.PEER)

    async def _open(self, credentials: SmtpCredentials) -> SmtpSession:
        host = credentials.smtp_server
        line = await self.connector.connect(host, credentials.smtp_port)
        name, lost = _our_name(line), asyncio.Event()
        protocol = await self.starttls.secure(
            line, host.removesuffix("."), name, lambda _: lost.set()
        )
        session = SmtpSession(protocol=protocol, limits=self.limits, lost=lost)
        with ExitStack() as unless_open:
            unless_open.callback(session.quit)
            await log_in(session, name, credentials)
            unless_open.pop_all()
        return session


def _our_name(line: socket.socket) -> bytes:
    """Name ourselves as RFC 5321 section 4.1.4 has it for hosts without a name."""
    address = str(line.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]".encode() if ":" in address else f"[{address}]".encode()
