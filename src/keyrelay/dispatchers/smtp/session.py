"""Session: one authenticated SMTP conversation with a server."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from aiosmtplib import (
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.protocol import SMTPProtocol

from keyrelay.dispatchers.scrub import Scrubber
from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.dispatchers.smtp.reply import ConversationFailed, SmtpReply, timed_out

Expected = tuple[int, ...]  # first digits of reply codes


class StaleSession(Exception):
    """The server ended the session while it was idle; no mail was offered to it."""


class SessionExhausted(Exception):
    """A session that has taken mails takes no more; this one was not offered to it."""


@runtime_checkable
class _Abortable(Protocol):
    """A transport that can be cut; uvloop's are no asyncio.WriteTransport."""

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredConnection:
    """A connection over TLS, for one version of a secret.

    `closed` is set once it is closed; `scrubber` masks the values of that version in
    what the server says.
    """

    protocol: SMTPProtocol
    closed: asyncio.Event
    scrubber: Scrubber


@dataclass(slots=True, kw_only=True)
class SmtpSession:
    """Commands and their replies on one connection.

    `extensions` are those that EHLO listed, by name in lower case (RFC 5321 section
    4.1.1.1). `transactions` counts the mail transactions begun (RFC 5321 section 3.3),
    `taken` the mails that the server took, and `in_transaction` tells whether a
    transaction was left unfinished.
    """

    connection: SecuredConnection
    limits: Limits
    extensions: dict[str, str] = field(default_factory=dict)
    transactions: int = 0
    taken: int = 0
    in_transaction: bool = False

    @property
    def protocol(self) -> SMTPProtocol:
        return self.connection.protocol

    @property
    def alive(self) -> bool:
        return self.protocol.is_connected

    async def command(
        self, verb: str, *words: bytes, expects: Expected = (2,)
    ) -> SmtpReply:
        """Send a command; return a reply whose code begins as `expects` says, or 4, 5.

        Raises ConversationFailed for any other reply, or none.
        """
        return await self.send_line(verb, verb.encode(), *words, expects=expects)

    async def send_line(
        self, label: str, *words: bytes, expects: Expected = (2,)
    ) -> SmtpReply:
        """As `command`, for a line whose first word is a secret: errors use `label`."""
        within = self.limits.command
        try:
            code, text = await self.protocol.execute_command(
                *words, timeout=within.total_seconds()
            )
        except SMTPTimeoutError:
            raise timed_out(label, within) from None
        except SMTPServerDisconnected:
            raise ConversationFailed(f"the server hung up on {label}") from None
        except SMTPResponseException:
            raise _unreadable(label) from None
        return self._checked(self._reply(code, text), label, expects)

    async def greeting(self) -> SmtpReply:
        """Return the greeting, where it comes over TLS. Raises as `command`."""
        return await self._read(
            "the connection",
            self.limits.command,
            "the server hung up before its greeting",
        )

    async def begin(self, sender: str, size: int, *, utf8: bool = False) -> SmtpReply:
        """Begin a transaction with MAIL, with the size in bytes (RFC 1870).

        `utf8`: addresses are beyond ASCII (RFC 6531 section 3.4).
        Raises StaleSession if the session was used before and the server had ended it,
        and otherwise as `command`.
        """
        reused = self.transactions > 0
        self.transactions += 1
        self.in_transaction = True
        words = [f"FROM:<{sender}>".encode()]
        if "size" in self.extensions:
            words.append(f"SIZE={size}".encode())
        if utf8:
            words += (b"BODY=8BITMIME", b"SMTPUTF8")
        try:
            reply = await self.command("MAIL", *words)
        except ConversationFailed:
            if reused:
                raise StaleSession from None
            raise
        if reused and reply.closes:
            raise StaleSession
        return reply

    def send_content(self, content: bytes) -> None:
        """Send the mail after DATA. Raises ConversationFailed, with nothing sent."""
        # A line that begins with a dot gets a second one: RFC 5321 section 4.5.2.
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        try:
            self.protocol.write(stuffed + b".\r\n")
        except SMTPServerDisconnected:
            raise ConversationFailed("the server hung up before the message") from None

    async def final_reply(self) -> SmtpReply:
        """Return the reply to the mail's content.

        Raises ConversationFailed; then it is unknown whether the server has the mail.
        """
        reply = await self._read(
            "the message", self.limits.body, "the server hung up after the message"
        )
        self.in_transaction = False
        self.taken += reply.accepts
        return reply

    async def probe(self) -> bool:
        """Tell whether the session can begin a transaction; if not, it is aborted."""
        with ExitStack() as unless_alive:
            unless_alive.callback(self.abort)
            try:
                reply = await self.command("RSET" if self.in_transaction else "NOOP")
            except ConversationFailed:
                return False
            if reply.refuses:
                return False
            unless_alive.pop_all()
        self.in_transaction = False
        return True

    def quit(self) -> None:
        """Send QUIT and close, without waiting for the reply."""
        if self.alive:
            self.protocol.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        if self.protocol.transport is not None:
            self.protocol.transport.close()

    async def wait_closed(self, within: timedelta) -> None:
        """Wait until the connection is closed, and abort it if that takes longer."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self.connection.closed.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        transport = self.protocol.transport
        if isinstance(transport, _Abortable):
            transport.abort()

    def _reply(self, code: int, text: str) -> SmtpReply:
        return SmtpReply(code, text, self.connection.scrubber)

    async def _read(self, label: str, within: timedelta, hung_up: str) -> SmtpReply:
        try:
            code, text = await self.protocol.read_response(within.total_seconds())
        except SMTPTimeoutError:
            raise timed_out(label, within) from None
        except SMTPServerDisconnected:
            raise ConversationFailed(hung_up) from None
        except SMTPResponseException:
            raise _unreadable(label) from None
        return self._checked(self._reply(code, text), label, expects=(2,))

    def _checked(self, reply: SmtpReply, label: str, expects: Expected) -> SmtpReply:
        if reply.closes:
            self.close()
        if reply.code // 100 not in expects and not reply.refuses:
            raise ConversationFailed(f"the server answered {label} with {reply.code}")
        return reply


def _unreadable(label: str) -> ConversationFailed:
    return ConversationFailed(f"the server's answer to {label} is unreadable")
