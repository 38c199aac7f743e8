"""Plain loops: what somebody would write who needs no queue, policy or audit."""

import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

import aioboto3
import aiosmtplib

from tests.bench.measure import Measure, measuring
from tests.sinks.smtp import SmtpSink
from tests.sinks.sqs import SqsSink

Report = Callable[[Measure], None]


async def send(sink: SmtpSink, ca_file: Path, count: int, report: Report) -> None:
    """Send each mail by `aiosmtplib.send`, which connects for each."""
    tls = ssl.create_default_context(cafile=ca_file)
    with measuring("aiosmtplib.send", count, report):
        for number in range(count):
            await aiosmtplib.send(
                _mail(f"send-{number}"),
                hostname=sink.address.host,
                port=sink.address.port,
                start_tls=True,
                tls_context=tls,
                username=sink.address.account.username,
                password=sink.address.account.password,
            )


async def sendmail(sink: SmtpSink, ca_file: Path, count: int, report: Report) -> None:
    """Send all mails by `sendmail` over one connection, one after the other."""
    client = aiosmtplib.SMTP(
        hostname=sink.address.host,
        port=sink.address.port,
        start_tls=True,
        tls_context=ssl.create_default_context(cafile=ca_file),
        username=sink.address.account.username,
        password=sink.address.account.password,
    )
    async with client:
        with measuring("aiosmtplib, one connection", count, report):
            for number in range(count):
                mail = _mail(f"sendmail-{number}")
                await client.sendmail(mail["From"], [mail["To"]], mail.as_bytes())


async def send_message(sink: SqsSink, count: int, report: Report) -> None:
    """Send each message by a call of its own, all with one client."""
    making = aioboto3.Session().client(
        "sqs",
        endpoint_url=sink.endpoint,
        region_name=sink.region,
        aws_access_key_id=sink.access_key,
        aws_secret_access_key=sink.secret_key,
    )
    url = sink.queue_url("plain")
    async with making as client:
        with measuring("aioboto3 send_message", count, report):
            for number in range(count):
                await client.send_message(QueueUrl=url, MessageBody=f"plain {number}")


def _mail(name: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "relay@example.test"
    mail["To"] = "ada@example.test"
    mail["Subject"] = f"temperature is {name}"
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{name}@example.test>"
    mail.set_content(f"The temperature at {name} is 21.5 °C, and rising.")
    return mail
