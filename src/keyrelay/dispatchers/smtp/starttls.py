"""STARTTLS: the way from a plain socket to a verified TLS connection.

The plain part is spoken here, on the bare socket, because aiosmtplib drops what
a server says after its "220 go ahead" and goes on. It is right to drop it, but
somebody who speaks there is in between, and gets no password from us at all
(RFC 3207 section 6, CVE-2011-0411). From the handshake on aiosmtplib speaks.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiosmtplib.protocol import SMTPProtocol

from keyrelay.dispatchers.smtp.reply import (
    Broken,
    Phase,
    SessionRefused,
    SmtpReply,
    late,
)
from keyrelay.model.documents import InvalidDefinition
from keyrelay.network.tls import UnreadableCertificates, system_context

_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_LONGEST_REPLY = 16 * 1024
_GOOD_VERSIONS = frozenset({"TLSv1.2", "TLSv1.3"})
_WRONG_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_, _IP_ADDRESS_MISMATCH
# How long a closing connection waits for the peer's close_notify.
_SHUTDOWN = timedelta(seconds=2)


class Unsafe(Exception):
    """Nothing may be said to this server; the message says why."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust what the system trusts, and what is in `ca_file`. Raises InvalidDefinition.

    See network/tls.py.
    """
    try:
        return system_context(ca_file)
    except UnreadableCertificates as fault:
        raise InvalidDefinition(
            f"KEYRELAY_SMTP_CA_FILE must name a file of certificates (PEM): {fault}"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls:
    """`within` bounds each step."""

    context: ssl.SSLContext
    within: timedelta

    async def secure(
        self,
        line: socket.socket,
        host: str,
        name: bytes,
        lost: Callable[[SMTPProtocol], None],
    ) -> SMTPProtocol:
        """Return a connection on which a password may be said to `host`.

        We call ourselves `name`; `lost` is called once the connection is gone.
        Takes over `line`. Raises Unsafe, SessionRefused or Broken.
        """
        with ExitStack() as while_plain:
            while_plain.callback(line.close)
            await self._ask(line, b"")
            offers = await self._ask(line, b"EHLO " + name)
            if "STARTTLS" not in offers.text.upper().split("\n")[1:]:
                raise Unsafe("the server offers no STARTTLS")
            await self._ask(line, b"STARTTLS")
            while_plain.pop_all()
        return await self._shake_hands(line, host, lost)

    async def _ask(self, line: socket.socket, command: bytes) -> SmtpReply:
        what = command.partition(b" ")[0].decode() or "the connection"
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                reply = await _exchange(line, command)
        except TimeoutError:
            raise late(what, self.within) from None
        except OSError:
            raise Broken(f"the server hung up on {what}") from None
        if reply.refuses:
            raise SessionRefused(reply, Phase.CONNECT)
        if not reply.takes:
            raise Broken(f"the server answered {what} with {reply.code}")
        return reply

    async def _shake_hands(
        self, line: socket.socket, host: str, lost: Callable[[SMTPProtocol], None]
    ) -> SMTPProtocol:
        try:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                lambda: SMTPProtocol(connection_lost_callback=lost),
                sock=line,
                ssl=self.context,
                server_hostname=host,
                ssl_handshake_timeout=self.within.total_seconds(),
                ssl_shutdown_timeout=_SHUTDOWN.total_seconds(),
            )
        except ssl.SSLCertVerificationError as error:
            wrong_name = error.verify_code in _WRONG_NAME
            why = "it is for another name" if wrong_name else error.verify_message
            raise Unsafe(f"the server's certificate was refused: {why}") from None
        except ssl.SSLError as error:
            raise Unsafe(f"the TLS handshake failed: {error.reason}") from None
        except OSError:
            raise Broken("the server hung up during the TLS handshake") from None
        with ExitStack() as unless_verified:
            unless_verified.callback(transport.abort)
            _verify(transport.get_extra_info("ssl_object"), host)
            unless_verified.pop_all()
        return protocol


async def _exchange(line: socket.socket, command: bytes) -> SmtpReply:
    loop = asyncio.get_running_loop()
    if command:
        await loop.sock_sendall(line, command + b"\r\n")
    received = b""
    while (reply := _parse(received)) is None:
        chunk = await loop.sock_recv(line, 4096)
        if not chunk:
            raise Broken("the server hung up before TLS")
        received += chunk
        if len(received) > _LONGEST_REPLY:
            raise Broken("the server's reply is too long")
    return reply


def _parse(received: bytes) -> SmtpReply | None:
    """Return the reply once it is complete; raise Unsafe if more follows it."""
    *lines, rest = received.split(b"\n")
    texts = []
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line.rstrip(b"\r"))
        if found is None:
            raise Broken("the server's reply is unreadable")
        texts.append((found[3] or b"").decode("utf-8", "replace"))
        if found[2] != b"-":
            if rest or number < len(lines):
                raise Unsafe("somebody spoke out of turn before the TLS handshake")
            return SmtpReply(int(found[1]), "\n".join(texts))
    return None


def _verify(tls: object, host: str) -> None:
    """Raise Unsafe unless this very connection was verified.

    A context can ask for a host name check and the handshake still pass without
    one, when no name was handed to it.
    """
    if not isinstance(tls, ssl.SSLObject):
        raise Unsafe("the connection has no TLS")
    if tls.version() not in _GOOD_VERSIONS:
        raise Unsafe(f"{tls.version()} is too old; TLS 1.2 is needed")
    verifies = tls.context.check_hostname and tls.context.verify_mode.name
    if verifies != ssl.CERT_REQUIRED.name or tls.server_hostname != host:
        raise Unsafe("the server's name was not verified")
