"""SMTP peers: mail servers that do as a test scripts them, and a sender to them."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from keyrelay.dispatchers.smtp.action import (
    EmailSmtp,
    Mail,
    MailContent,
    MailIdentity,
    Recipients,
)
from keyrelay.dispatchers.smtp.connect import Connector, Resolve
from keyrelay.dispatchers.smtp.dispatcher import SmtpDispatcher, smtp_dispatcher
from keyrelay.dispatchers.smtp.limits import STANDARD, Limits, SlotLimits
from keyrelay.dispatchers.smtp.mailbox import parse_mailboxes
from keyrelay.dispatchers.smtp.starttls import tls_context
from keyrelay.model.secret import OpenedSecret, Secret, SecretValue
from keyrelay.model.templates import Template
from keyrelay.network.egress import Egress, parse_networks
from tests.sinks.smtp_protocol import (
    Account,
    Bye,
    Dialogue,
    StartTls,
    Step,
)
from tests.sinks.smtp_protocol import (
    Mail as ReceivedMail,
)

HOST = "mail.example.com"
USER = "us@example.com"
PASSWORD = "correct horse/battery+staple"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SASL = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())

_SOON = timedelta(milliseconds=500)  # a busy machine needs some of it
HASTY = Limits(slots=SlotLimits(wait=_SOON), connect=_SOON, command=_SOON, body=_SOON)

HANG_UP = b""
SILENCE = b"..."  # never answers
GIBBERISH = b"what?\r\n"

_GOOD = {
    "EHLO": b"250-mail.example.com\r\n250-SIZE 1000000\r\n250-STARTTLS\r\n"
    b"250 AUTH LOGIN PLAIN CRAM-MD5\r\n",
    ".": b"250 2.0.0 Ok: queued as 42\r\n",
}
_ANY_ACCOUNT = Account(username="", password="")


@dataclass(slots=True)
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Connection:
    """One connection. `heard` is what came, decrypted where it was encrypted."""

    heard: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    secure: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def verbs(self) -> list[str]:
        return [said.split()[0].decode() for said in self.heard if said.split()]


@dataclass(slots=True)
class Peer:
    """Answers each verb as `says` has it, else as a good server does.

    "" is the connection, and "." the end of a mail. Of several answers the last one
    stays. `heard` is set with every line. `encrypted`: the server speaks TLS at once.
    Mails are answered while `answering` is set.
    """

    says: dict[str, bytes | list[bytes]]
    tls: ssl.SSLContext
    port: int = 0
    encrypted: bool = False
    connections: list[Connection] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: set[asyncio.Task[None]] = field(default_factory=set)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    @property
    def everything(self) -> bytes:
        return b"".join(part for each in self.connections for part in each.heard)

    @property
    def verbs(self) -> list[str]:
        return [verb for each in self.connections for verb in each.verbs]

    @property
    def mails(self) -> list[bytes]:
        return [mail for each in self.connections for mail in each.mails]

    def answer(self, verb: str) -> bytes | None:
        """Return what is scripted for the verb; None, nothing is."""
        said = self.says.get(verb, _GOOD.get(verb))
        if isinstance(said, list):
            return said.pop(0) if len(said) > 1 else said[0]
        return said

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.heard.clear()
            await self.heard.wait()

    async def hears(self, verb: str, times: int) -> None:
        """Return once the verb has been said so many times."""
        await self.until(lambda: self.verbs.count(verb) >= times)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.speaking.add(task)
        connection = Connection()
        self.connections.append(connection)
        try:
            await self._converse(connection, reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client hung up, refused our certificate, or the test is over
        finally:
            transport = writer.transport
            transport.abort()
            connection.closed.set()
            self.heard.set()
            self.speaking.discard(task)

    async def _converse(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        def script(said: bytes) -> bytes | None:
            if said:
                connection.heard.append(said + b"\r\n")
                self.heard.set()
            verb, _, rest = said.decode(errors="replace").partition(" ")
            whole = f"{verb} {rest}"
            return self.answer(whole if whole in self.says else verb)

        dialogue = Dialogue(
            account=_ANY_ACCOUNT, script=script, encrypted=self.encrypted
        )
        step: Step = dialogue.greet()
        while await self._takes(step, connection, reader, writer):
            if isinstance(step, StartTls):
                await writer.start_tls(self.tls)
                dialogue.encrypt()
                connection.secure = True
            step = await _next_step(dialogue, reader)

    async def _takes(
        self,
        step: Step,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answer; return whether the connection goes on."""
        if isinstance(step, ReceivedMail):
            connection.mails.append(step.content)
            self.heard.set()
            await self.answering.wait()
            text = self.answer(".") or HANG_UP
        else:
            text = step.text
        if text == SILENCE:
            await reader.read()
        if text in (HANG_UP, SILENCE):
            return False
        writer.write(text)
        await writer.drain()
        return not isinstance(step, Bye)


async def _next_step(dialogue: Dialogue, reader: asyncio.StreamReader) -> Step:
    while (step := dialogue.next()) is None:
        received = await reader.read(65536)
        if not received:
            raise EOFError
        dialogue.receive(received)
    return step


@asynccontextmanager
async def serving(
    certificate: trustme.LeafCert, says: Mapping[str, bytes | list[bytes]]
) -> AsyncIterator[Peer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    peer = Peer(dict(says), context)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(peer.speaking):
            task.cancel()
        while peer.speaking:
            await asyncio.wait(peer.speaking)


@dataclass(slots=True, kw_only=True)
class Sender:
    """Makes dispatchers that trust `authority` and know one host name."""

    authority: trustme.CA
    ca_file: Path
    clock: Clock = field(default_factory=Clock)
    made: list[SmtpDispatcher] = field(default_factory=list)

    def to(
        self,
        port: int,
        *,
        limits: Limits = STANDARD,
        tls: ssl.SSLContext | None = None,
        addresses: Sequence[str] = ("127.0.0.1",),
        allowed: str = "127.0.0.1",
        resolve: Resolve | None = None,
        name: str | None = None,
    ) -> SmtpDispatcher:
        async def known(host: str, port: int) -> Sequence[str]:
            assert host.removesuffix(".") in (HOST, "127.0.0.1")
            return addresses

        dispatcher = smtp_dispatcher(
            ports={port},
            connector=Connector(
                egress=Egress(parse_networks(allowed)),
                within=limits.connect,
                resolve=resolve or known,
            ),
            tls=tls or tls_context(self.ca_file),
            now=self.clock,
            limits=limits,
            name=name,
        )
        self.made.append(dispatcher)
        return dispatcher


def secret(
    port: int,
    *,
    id_: str = "5" * 24,
    version: int = 1,
    host: str = HOST,
    password: str = PASSWORD,
) -> OpenedSecret:
    value = {
        "smtp_server": host,
        "smtp_port": port,
        "username": USER,
        "password": password,
    }
    return OpenedSecret(
        secret=Secret(
            id=id_,
            profile="9" * 24,
            key="mail",
            type="smtp",
            version=version,
            tags=(),
        ),
        value=SecretValue(json.dumps(value)),
    )


def mail(
    to: str = "ada@example.com",
    *,
    bcc: str = "",
    subject: str = "Hello",
    text: str = "It is 30 degrees.",
    html: str | None = None,
) -> Mail:
    recipients = Recipients(
        to=parse_mailboxes(to, "to"), bcc=parse_mailboxes(bcc, "bcc") if bcc else ()
    )
    listed = recipients.to + recipients.bcc
    return Mail(
        identity=MailIdentity(
            message_id="<t1.p1@example.com>", date=NOON - timedelta(hours=1)
        ),
        instruction=EmailSmtp(
            secret="5" * 24,
            sender=parse_mailboxes("Us <us@example.com>", "from")[0],
            recipients=recipients,
            content=MailContent(
                subject=Template.parse(subject), text=Template.parse(text)
            ),
        ),
        recipients=tuple(mailbox.address for mailbox in listed),
        subject=subject,
        text=text,
        html=html,
    )
