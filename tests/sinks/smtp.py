"""SMTP: a submission server that takes every mail of its one account, fast.

    python -m tests.sinks.smtp --port=5870 --certificate=server.pem --ledger=mails

User name and password come from KEYRELAY_TEST_SINK_USERNAME and …_PASSWORD.
"""

import argparse
import asyncio
import os
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import uvloop

from tests.services import loopback
from tests.sinks import faults, ledger, process
from tests.sinks.faults import NO_FAULTS, Faults, FaultSequence
from tests.sinks.ledger import Ledger, LedgerWriter
from tests.sinks.smtp_protocol import (
    Account,
    Bye,
    Dialogue,
    Mail,
    Reply,
    StartTls,
    Step,
)

_USERNAME, _PASSWORD = "KEYRELAY_TEST_SINK_USERNAME", "KEYRELAY_TEST_SINK_PASSWORD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a sink can be found, now or later, and how to log in there."""

    port: int
    account: Account
    host: str = loopback.HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSink:
    """The ledger has the Message-ID of each mail."""

    address: Address
    ledger: Ledger


def new_address() -> Address:
    account = Account(username="sender@example.test", password=secrets.token_urlsafe())
    return Address(port=loopback.free_port(), account=account)


@contextmanager
def running(
    directory: Path,
    *,
    certificate: Path,
    faults: Faults = NO_FAULTS,
    address: Address | None = None,
) -> Iterator[SmtpSink]:
    """Serve in another process. `certificate` holds the key and the chain."""
    at, path = address or new_address(), directory / "mails.ledger"
    with process.running(
        "tests.sinks.smtp",
        at.port,
        [f"--certificate={certificate}", f"--ledger={path}", *faults.arguments()],
        directory=directory,
        secrets={_USERNAME: at.account.username, _PASSWORD: at.account.password},
    ):
        yield SmtpSink(address=at, ledger=Ledger(path))


@dataclass(slots=True, kw_only=True, eq=False)
class Session(asyncio.Protocol):
    """One connection. While an answer is being waited for, nothing else is read."""

    dialogue: Dialogue
    certificate: ssl.SSLContext
    writer: LedgerWriter
    sequence: FaultSequence
    _transport: asyncio.Transport | None = field(default=None, init=False)
    _waits: asyncio.Task[None] | asyncio.TimerHandle | None = field(
        default=None, init=False
    )

    # Not the type's BaseTransport: what uvloop hands us has all of a Transport's
    # methods and none of its ancestry, so there is nothing to narrow it by.
    def connection_made(  # type: ignore[override]
        self, transport: asyncio.Transport
    ) -> None:
        self._transport = transport
        transport.write(self.dialogue.greet().text)

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self.dialogue.receive(data)
        self._proceed()

    def _proceed(self) -> None:
        """Answer all that can be answered, in one write."""
        replies = bytearray()
        while self._waits is None and self._transport is not None:
            step = self.dialogue.next()
            if step is None:
                break
            replies += self._take(step, self._transport)
        if self._transport is not None and replies:
            self._transport.write(bytes(replies))

    def _take(self, step: Step, transport: asyncio.Transport) -> bytes:
        match step:
            case Reply(text):
                return text
            case StartTls(text):
                # Not one byte of the handshake may come to us in the meantime.
                transport.pause_reading()
                self._waits = asyncio.ensure_future(self._encrypt(transport))
                return text
            case Bye(text):
                transport.write(text)
                return self._hang_up(transport)
            case Mail():
                return self._take_mail(step, transport)
            case _:
                assert_never(step)

    def _take_mail(self, mail: Mail, transport: asyncio.Transport) -> bytes:
        delay = self.sequence.faults.delay.total_seconds()
        if not delay:
            return self._answer_to(mail, transport)
        self._waits = asyncio.get_running_loop().call_later(
            delay, self._answer_late, mail
        )
        return b""

    def _answer_late(self, mail: Mail) -> None:
        self._waits = None
        # Who has gone meanwhile is told nothing, and we take on nothing.
        if self._transport is not None:
            self._transport.write(self._answer_to(mail, self._transport))
            self._proceed()

    def _answer_to(self, mail: Mail, transport: asyncio.Transport) -> bytes:
        if self.sequence.is_busy():
            return b"451 4.3.2 Come back later\r\n"
        self.writer.write([mail.message_id])
        if self.sequence.is_mute():
            return self._hang_up(transport)
        return b"250 2.6.0 Taken\r\n"

    def _hang_up(self, transport: asyncio.Transport) -> bytes:
        transport.close()
        self._transport = None
        return b""

    async def _encrypt(self, transport: asyncio.Transport) -> None:
        self.dialogue.encrypt()
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(
                transport, self, self.certificate, server_side=True
            )
        except (OSError, ssl.SSLError):
            transport.abort()
        else:
            self._transport, self._waits = encrypted, None
            self._proceed()


async def serve(arguments: argparse.Namespace, writer: LedgerWriter) -> None:
    account = Account(username=os.environ[_USERNAME], password=os.environ[_PASSWORD])
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.load_cert_chain(arguments.certificate)
    sequence = FaultSequence(faults.read(arguments))
    server = await asyncio.get_running_loop().create_server(
        lambda: Session(
            dialogue=Dialogue(account=account),
            certificate=certificate,
            writer=writer,
            sequence=sequence,
        ),
        loopback.HOST,
        arguments.port,
        backlog=1024,
    )
    async with server:
        await process.terminated()
        # Connections that are still open would be waited for.
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    faults.add_arguments(parser)
    arguments = parser.parse_args()
    with ledger.writing(arguments.ledger) as writer:
        uvloop.run(serve(arguments, writer))


if __name__ == "__main__":
    main()
