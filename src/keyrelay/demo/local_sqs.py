"""Local SQS: a queue at moto, in a process of its own, looked at as by any client."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.session import Session

REGION = "eu-central-1"
_LOOK_EVERY = timedelta(seconds=0.2)
_MOST = 10  # messages of one receipt


class NoSqs(Exception):
    """The local SQS did not start; the message says what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class LocalQueue:
    """`count` is what the queue held at the last look."""

    origin: str
    url: str
    untyped: Any  # boto3 ships no types
    count: int = 0

    async def look(self) -> None:
        answer = await asyncio.to_thread(
            self.untyped.get_queue_attributes,
            QueueUrl=self.url,
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        self.count = int(answer["Attributes"]["ApproximateNumberOfMessages"])

    async def watch(self, announce: Callable[[], None]) -> None:
        """Look again and again, until cancelled; announce when the count moved."""
        while True:
            before = self.count
            await self.look()
            if self.count != before:
                announce()
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def receive_all(self) -> list[str]:
        """Return the bodies of all messages, and leave none behind."""
        return await asyncio.to_thread(self._receive_all)

    def _receive_all(self) -> list[str]:
        bodies: list[str] = []
        while received := self.untyped.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=_MOST
        ).get("Messages"):
            bodies += [message["Body"] for message in received]
        return bodies


@asynccontextmanager
async def serving(keys: KeyPair, name: str) -> AsyncIterator[LocalQueue]:
    """Keep a local SQS running with one standard queue. Raises NoSqs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "keyrelay.demo.sqs_server",
        # moto reads profiles, too.
        env={name: v for name, v in os.environ.items() if not name.startswith("AWS_")},
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,  # Ctrl-C is for us; it ends when we let go
    )
    try:
        origin = await _origin(process)
        yield await asyncio.to_thread(_open, origin, keys, name)
    finally:
        await _end(process)


async def _origin(process: Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise NoSqs("the local SQS did not start")
    return line


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), timeout=5)
    except TimeoutError:
        process.kill()
        await process.wait()


def _open(origin: str, keys: KeyPair, name: str) -> LocalQueue:
    # Whatever profiles and files this machine has for AWS are not looked at.
    nowhere = dict.fromkeys(
        ("profile", "config_file", "credentials_file"), (None, None, None, None)
    )
    session = boto3.Session(botocore_session=Session(session_vars=nowhere))
    client = session.client(
        "sqs",
        region_name=REGION,
        endpoint_url=origin,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(ignore_configured_endpoint_urls=True, proxies={}),
    )
    url = str(client.create_queue(QueueName=name)["QueueUrl"])
    return LocalQueue(origin=origin, url=url, untyped=client)
