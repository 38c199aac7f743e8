"""STARTTLS: from a plain socket to a verified TLS connection (RFC 3207, RFC 8314).

The commands before TLS are sent here, on the socket itself, because aiosmtplib discards
what it receives after "220 go ahead" and goes on. Data received there was injected by
an attacker between the two sides, so here the attempt ends before a password is sent
(RFC 3207 section 6, CVE-2011-0411). After the handshake aiosmtplib takes over.
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
    ConversationFailed,
    Phase,
    SessionRefused,
    SmtpReply,
    extensions_of,
    timed_out,
)
from keyrelay.model.documents import InvalidDefinition
from keyrelay.network.tls import UnreadableCertificates, system_context

_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_LONGEST_REPLY = 16 * 1024
_GOOD_VERSIONS = frozenset({"TLSv1.2", "TLSv1.3"})
_WRONG_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_, _IP_ADDRESS_MISMATCH
# X509_V_ERR_: UNABLE_TO_GET_ISSUER_CERT (2, 20), (DEPTH_ZERO_)SELF_SIGNED (18, 19),
# UNABLE_TO_VERIFY_LEAF_SIGNATURE (21).
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
# What OpenSSL says of an answer that is no TLS record.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
)
# How long a closing connection waits for the peer's close_notify.
_SHUTDOWN = timedelta(seconds=2)


_WAITS_FOR_TLS = (
    "the server waits for TLS at once, which Keyrelay speaks on port 465 alone, where"
    " KEYRELAY_SMTP_PORTS allows it"
)


class InsecureConnection(Exception):
    """A password must not be sent on this connection; the message says why.

    `spoke_tls` tells that the server did speak TLS.
    """

    def __init__(self, message: str, *, spoke_tls: bool = False) -> None:
        super().__init__(message)
        self.spoke_tls = spoke_tls


class Silence(ConversationFailed):
    """The server sent nothing in time."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the system's authorities and those in `ca_file` (network/tls.py).

    Raises InvalidDefinition for a file that cannot be read.
    """
    try:
        return system_context(ca_file)
    except UnreadableCertificates as error:
        raise InvalidDefinition(
            f"KEYRELAY_SMTP_CA_FILE must name a file of certificates (PEM): {error}"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls:
    """Secures connections. `within` bounds each command, and the handshake."""

    context: ssl.SSLContext
    within: timedelta

    async def secure(
        self,
        connection: socket.socket,
        host: str,
        name: bytes,
        on_closed: Callable[[SMTPProtocol], None],
    ) -> SMTPProtocol:
        """Return a connection on which a password may be sent to `host`.

        EHLO is sent with our `name`; `on_closed` is called once the connection is
        closed. `connection` is closed on failure, and owned by the returned protocol
        otherwise. Raises InsecureConnection, SessionRefused or ConversationFailed.
        """
        with ExitStack() as while_plain:
            while_plain.callback(connection.close)
            await self._greeted(connection, host)
            offers = await self._command(connection, b"EHLO " + name)
            if "starttls" not in extensions_of(offers):
                raise InsecureConnection("the server offers no STARTTLS")
            await self._command(connection, b"STARTTLS")
            while_plain.pop_all()
        return await self.handshake(connection, host, on_closed)

    async def _greeted(self, connection: socket.socket, host: str) -> None:
        """Read the greeting; without one, tell whether the server waits for TLS.

        It is tried last, as some servers greet late on purpose.
        """
        try:
            await self._command(connection, b"")
        except Silence:
            if await self._waits_for_tls(connection.dup(), host):
                raise InsecureConnection(_WAITS_FOR_TLS) from None
            raise

    async def _waits_for_tls(self, connection: socket.socket, host: str) -> bool:
        try:
            protocol = await self.handshake(connection, host, lambda _: None)
        except InsecureConnection as refused:
            return refused.spoke_tls
        except ConversationFailed:
            return False
        if protocol.transport is not None:
            protocol.transport.close()
        return True

    async def _command(self, connection: socket.socket, line: bytes) -> SmtpReply:
        label = line.partition(b" ")[0].decode() or "the connection"
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                reply = await _exchange(connection, line)
        except TimeoutError:
            raise Silence(str(timed_out(label, self.within))) from None
        except OSError:
            raise ConversationFailed(f"the server hung up on {label}") from None
        if reply.refuses:
            phase = Phase.EHLO if label == "EHLO" else Phase.CONNECT
            raise SessionRefused(reply, phase)
        if not reply.accepts:
            raise ConversationFailed(f"the server answered {label} with {reply.code}")
        return reply

    async def handshake(
        self,
        connection: socket.socket,
        host: str,
        on_closed: Callable[[SMTPProtocol], None],
    ) -> SMTPProtocol:
        """As `secure`, for a server that speaks TLS at once (RFC 8314 section 3.3)."""
        try:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                lambda: SMTPProtocol(connection_lost_callback=on_closed),
                sock=connection,
                ssl=self.context,
                server_hostname=host,
                ssl_handshake_timeout=self.within.total_seconds(),
                ssl_shutdown_timeout=_SHUTDOWN.total_seconds(),
            )
        except ssl.SSLError as error:
            raise _insecure(error) from None
        except OSError:
            raise ConversationFailed(
                "the server hung up during the TLS handshake"
            ) from None
        with ExitStack() as unless_verified:
            unless_verified.callback(transport.abort)
            _verify(transport.get_extra_info("ssl_object"), host)
            unless_verified.pop_all()
        return protocol


def _insecure(error: ssl.SSLError) -> InsecureConnection:
    if not isinstance(error, ssl.SSLCertVerificationError):
        spoke_tls = error.reason not in _NO_TLS
        plain = "" if spoke_tls else "; the server does not speak TLS at once"
        return InsecureConnection(
            f"the TLS handshake failed: {error.reason}{plain}", spoke_tls=spoke_tls
        )
    wrong_name = error.verify_code in _WRONG_NAME
    reason = "it is for another name" if wrong_name else error.verify_message
    if error.verify_code in _UNKNOWN_ISSUER:
        reason = f"{reason}; KEYRELAY_SMTP_CA_FILE names further authorities"
    return InsecureConnection(
        f"the server's certificate was refused: {reason}", spoke_tls=True
    )


async def _exchange(connection: socket.socket, line: bytes) -> SmtpReply:
    loop = asyncio.get_running_loop()
    if line:
        await loop.sock_sendall(connection, line + b"\r\n")
    received = b""
    while (reply := _parse(received)) is None:
        chunk = await loop.sock_recv(connection, 4096)
        if not chunk:
            raise ConversationFailed("the server hung up before TLS")
        received += chunk
        if len(received) > _LONGEST_REPLY:
            raise ConversationFailed("the server's reply is too long")
    return reply


def _parse(received: bytes) -> SmtpReply | None:
    """Return the reply once it is complete, and None before (RFC 5321 section 4.2.1).

    Raises InsecureConnection for data after the reply, or ConversationFailed.
    """
    *lines, rest = received.split(b"\n")
    texts = []
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line.rstrip(b"\r"))
        if found is None:
            raise ConversationFailed("the server's reply is unreadable")
        texts.append((found[3] or b"").decode("utf-8", "replace"))
        if found[2] != b"-":
            if rest or number < len(lines):
                raise InsecureConnection(
                    "the server sent data before the TLS handshake"
                )
            return SmtpReply(int(found[1]), "\n".join(texts))
    return None


def _verify(tls: object, host: str) -> None:
    """Raise InsecureConnection unless this connection itself was verified.

    A context may require the host name check, and yet the handshake passes without it
    when no name was given.
    """
    if not isinstance(tls, ssl.SSLObject):
        raise InsecureConnection("the connection has no TLS")
    if tls.version() not in _GOOD_VERSIONS:
        raise InsecureConnection(f"{tls.version()} is too old; TLS 1.2 is needed")
    verifies = tls.context.check_hostname and tls.context.verify_mode.name
    if verifies != ssl.CERT_REQUIRED.name or tls.server_hostname != host:
        raise InsecureConnection("the server's name was not verified")
