"""Receivers: a mail catcher, and a local SQS, as any client would meet them."""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import Any

import boto3
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from botocore.config import Config
from moto.server import ThreadedMotoServer

DEPARTED = "robin@rotterdam.example"  # the catcher refuses this recipient for good
Login = Mapping[str, object]  # what a secret for a receiver holds

_HOST, _REGION = "127.0.0.1", "eu-central-1"
_PACE = 0.15  # seconds that a mail takes, so that there is something to watch


@dataclass(slots=True)
class Catcher:
    """`mails` were caught, as they came. The methods are aiosmtpd's hooks."""

    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _: Session, envelope: Envelope, to: str, options: list[str]
    ) -> str:
        if to == DEPARTED:
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(to)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        # Before it is kept: a sender that is cut off meanwhile has sent nothing.
        await asyncio.sleep(_PACE)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 2.0.0 Taken"


@asynccontextmanager
async def catching(catcher: Catcher, ca_file: Path) -> AsyncIterator[Login]:
    """Serve submission, trusted through that file; give the login."""
    # The connections that a killed worker leaves are expected, and no news.
    logging.getLogger("mail").setLevel(logging.CRITICAL)
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", _HOST).configure_cert(tls)
    authority.cert_pem.write_to_path(str(ca_file))
    user, password = "relay@rotterdam.example", token_urlsafe()
    login = LoginPassword(user.encode(), password.encode())
    session = partial(SMTP, catcher, hostname="localhost", tls_context=tls)
    session = partial(session, require_starttls=True, auth_required=True)
    judge = lambda *it: AuthResult(success=it[-1] == login, handled=False)  # noqa: E731
    session = partial(session, authenticator=judge)
    server = await asyncio.get_running_loop().create_server(session, _HOST, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        address = {"smtp_server": "localhost", "smtp_port": port}
        yield address | {"username": user, "password": password}
    finally:
        server.close()  # what is still connected has died, or is no worker of ours


@contextmanager
def serving() -> Iterator[tuple[Any, Login]]:
    """Serve SQS; give a queue, boto3's resource, and the login."""
    # moto and boto3 would follow the profiles and endpoints that this machine has.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/"
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)  # a line a request
    server = ThreadedMotoServer(ip_address=_HOST, port=0, verbose=False)
    server.start()
    key, value = f"AKIA{token_hex(8).upper()}", token_urlsafe(30)
    access = {"aws_access_key_id": key, "aws_secret_access_key": value}
    config = Config(region_name=_REGION, proxies={})
    origin = f"http://{_HOST}:{server.get_host_and_port()[1]}"
    sqs = boto3.resource("sqs", endpoint_url=origin, config=config, **access)
    try:
        queue = sqs.create_queue(QueueName="pallets")
        place = {"aws_region": _REGION, "queue_url": queue.url}
        yield queue, place | {"access_key_id": key, "secret_access_key": value}
    finally:
        server.stop()
