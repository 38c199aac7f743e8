"""A session: one conversation with a server that knows who we are."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from aiosmtplib import (
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.protocol import SMTPProtocol

from keyrelay.dispatchers.smtp.limits import Limits
from keyrelay.dispatchers.smtp.reply import Broken, SmtpReply, late


class Stale(Exception):
    """The server let go of a session while it rested: that says nothing else."""


@dataclass(slots=True, kw_only=True)
class SmtpSession:
    """`offers` is what EHLO listed; `envelopes` counts those begun."""

    protocol: SMTPProtocol
    limits: Limits
    lost: asyncio.Event
    offers: dict[str, str] = field(default_factory=dict)
    envelopes: int = 0
    mid_envelope: bool = False

    @property
    def alive(self) -> bool:
        return self.protocol.is_connected

    async def command(self, name: str, *words: bytes, expects: int = 2) -> SmtpReply:
        """Say `name` and `words`; return a reply that begins with `expects`, 4 or 5.

        Whatever else comes, or nothing, raises Broken.
        """
        return await self.say(name, name.encode(), *words, expects=expects)

    async def say(self, what: str, *words: bytes, expects: int = 2) -> SmtpReply:
        """As `command`, for lines that begin with something not to be repeated."""
        within = self.limits.command
        try:
            code, text = await self.protocol.execute_command(
                *words, timeout=within.total_seconds()
            )
        except SMTPTimeoutError:
            raise late(what, within) from None
        except SMTPServerDisconnected:
            raise Broken(f"the server hung up on {what}") from None
        except SMTPResponseException:
            raise Broken(f"the server's answer to {what} is unreadable") from None
        return self._readable(SmtpReply(code, text), what, expects)

    async def begin(self, sender: str, size: int) -> SmtpReply:
        """Say MAIL. Raises Stale if the session had ended before it was asked."""
        rested = self.envelopes > 0
        self.envelopes += 1
        self.mid_envelope = True
        words = [f"FROM:<{sender}>".encode()]
        if "size" in self.offers:
            words.append(f"SIZE={size}".encode())
        try:
            reply = await self.command("MAIL", *words)
        except Broken:
            if rested:
                raise Stale from None
            raise
        if rested and reply.closes:
            raise Stale
        return reply

    def send(self, content: bytes) -> None:
        """Hand over what DATA asked for; if it raises Broken, not a byte was sent."""
        # A line that begins with a dot gets a second one: RFC 5321 section 4.5.2.
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        try:
            self.protocol.write(stuffed + b".\r\n")
        except SMTPServerDisconnected:
            raise Broken("the server hung up before the message") from None

    async def verdict(self) -> SmtpReply:
        """Return the reply to what was sent; Broken, nobody knows."""
        within = self.limits.body
        try:
            code, text = await self.protocol.read_response(within.total_seconds())
        except SMTPTimeoutError:
            raise late("the message", within) from None
        except SMTPServerDisconnected:
            raise Broken("the server hung up after the message") from None
        except SMTPResponseException:
            raise Broken("the server's answer to the message is unreadable") from None
        reply = self._readable(SmtpReply(code, text), "the message", expects=2)
        self.mid_envelope = False
        return reply

    async def probe(self) -> bool:
        """Tell whether the session can begin an envelope; if not, it is cut off."""
        with ExitStack() as unless_alive:
            unless_alive.callback(self.abort)
            try:
                reply = await self.command("RSET" if self.mid_envelope else "NOOP")
            except Broken:
                return False
            if reply.refuses:
                return False
            unless_alive.pop_all()
        self.mid_envelope = False
        return True

    def quit(self) -> None:
        """End politely, without waiting for the answer."""
        if self.alive:
            self.protocol.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        if self.protocol.transport is not None:
            self.protocol.transport.close()

    async def gone(self, within: timedelta) -> None:
        """Wait until the connection is closed, cutting it if that takes longer."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self.lost.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        transport = self.protocol.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def _readable(self, reply: SmtpReply, what: str, expects: int) -> SmtpReply:
        if reply.closes:
            self.close()
        if reply.code // 100 != expects and not reply.refuses:
            raise Broken(f"the server answered {what} with {reply.code}")
        return reply
