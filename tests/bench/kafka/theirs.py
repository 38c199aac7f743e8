"""Theirs: a FastStream worker that does what ours does, without records of it.

    python -m tests.bench.kafka.theirs --broker … --topic … --does mail …

It commits each message once it is handled, and reuses one connection. The password of
the mail server comes from KEYRELAY_TEST_BENCH_PASSWORD. It writes no log lines.
"""

import argparse
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.message import EmailMessage
from email.utils import formatdate

import aioboto3
import aiosmtplib
import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from tests.bench.kafka.gauge import Gauge, listen

PASSWORD = "KEYRELAY_TEST_BENCH_PASSWORD"

Document = dict[str, object]
Act = Callable[[Document], Awaitable[None]]


async def _work(arguments: argparse.Namespace, gauge: Gauge) -> None:
    stop = listen(gauge)
    broker = KafkaBroker(arguments.broker, logger=None)
    async with _ACTS[arguments.does](arguments) as act:

        async def take(trigger: Document) -> None:
            await act(trigger)
            gauge.note()

        _subscribe(broker, take, arguments)
        await broker.start()
        await stop.wait()
        await broker.stop()


def _subscribe(broker: KafkaBroker, take: Act, arguments: argparse.Namespace) -> None:
    if arguments.at_once == 1:
        broker.subscriber(
            arguments.topic,
            group_id=arguments.group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK,
        )(take)
    else:
        broker.subscriber(
            arguments.topic,
            group_id=arguments.group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.ACK,
            max_workers=arguments.at_once,
        )(take)


@asynccontextmanager
async def _nothing(_: argparse.Namespace) -> AsyncIterator[Act]:
    async def act(_: Document) -> None:
        pass

    yield act


@asynccontextmanager
async def _mail(arguments: argparse.Namespace) -> AsyncIterator[Act]:
    client = aiosmtplib.SMTP(
        hostname=arguments.host,
        port=arguments.port,
        start_tls=True,
        tls_context=ssl.create_default_context(cafile=arguments.ca_file),
        username=arguments.username,
        password=os.environ[PASSWORD],
    )

    async def act(trigger: Document) -> None:
        await client.send_message(_composed(trigger))

    async with client:
        yield act


@asynccontextmanager
async def _queue(arguments: argparse.Namespace) -> AsyncIterator[Act]:
    making = aioboto3.Session().client(
        "sqs",
        endpoint_url=arguments.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    async with making as client:

        async def act(trigger: Document) -> None:
            for point in _points(trigger):
                await client.send_message(
                    QueueUrl=arguments.queue_url, MessageBody=json.dumps(point)
                )

        yield act


def _composed(trigger: Document) -> EmailMessage:
    (point,) = _points(trigger)
    mail = EmailMessage()
    mail["From"] = "relay@example.test"
    mail["To"] = "ada@example.test"
    mail["Subject"] = f"temperature is {point['value']}"
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{trigger['id']}.theirs@example.test>"
    mail.set_content(
        f"The temperature at {point['variable']} is {point['value']} {point['unit']},"
        " and rising."
    )
    return mail


def _points(trigger: Document) -> list[Document]:
    points = trigger["data"]
    assert isinstance(points, list)
    return points


_ACTS: dict[str, Callable[[argparse.Namespace], AbstractAsyncContextManager[Act]]] = {
    "nothing": _nothing,
    "mail": _mail,
    "queue": _queue,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("broker", "topic", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--does", choices=_ACTS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=1)
    for name in ("host", "username", "ca-file", "endpoint", "queue-url"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    uvloop.run(_work(arguments, Gauge(count=arguments.count)))


if __name__ == "__main__":
    main()
