"""SQS: an endpoint on which every queue exists and takes every message, fast.

python -m tests.sinks.sqs --port=4570 --ledger=messages
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiohttp import web

from tests.services import loopback
from tests.sinks import faults, ledger, process
from tests.sinks.faults import NO_FAULTS, Faults, FaultSequence
from tests.sinks.ledger import Ledger, LedgerWriter
from tests.sinks.sqs_protocol import (
    ACCOUNT,
    CONTENT_TYPE,
    LARGEST,
    Answer,
    Document,
    Sqs,
    encode,
    failed,
    refused,
)

REFUSED_KEY = "refused"
_UNSIGNED = refused("MissingAuthenticationToken", "the request is not signed", 403)
_UNKNOWN = refused("InvalidClientTokenId", "the token in the request is invalid", 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsSink:
    """Takes any key but `REFUSED_KEY`.

    The ledger has each message's deduplication id, or its body.
    """

    endpoint: str
    ledger: Ledger
    region: str = "eu-central-1"
    access_key: str = "test"
    secret_key: str = "test"

    def queue_url(self, name: str) -> str:
        return f"{self.endpoint}/{ACCOUNT}/{name}"


@contextmanager
def running(directory: Path, *, faults: Faults = NO_FAULTS) -> Iterator[SqsSink]:
    """Serve in another process."""
    port, path = loopback.free_port(), directory / "messages.ledger"
    with process.running(
        "tests.sinks.sqs",
        port,
        [f"--ledger={path}", *faults.arguments()],
        directory=directory,
        secrets={},
    ):
        yield SqsSink(endpoint=f"http://{loopback.HOST}:{port}", ledger=Ledger(path))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests come in; what is kept is written down before the answer."""

    sqs: Sqs
    sequence: FaultSequence
    writer: LedgerWriter

    async def answer(self, request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            return response(_UNSIGNED)
        if f"Credential={REFUSED_KEY}/" in request.headers["Authorization"]:
            return response(_UNKNOWN)
        answer = self.sqs.answer(
            request.headers.get("X-Amz-Target", ""), json.loads(await request.read())
        )
        if delay := self.sequence.faults.delay.total_seconds():
            await asyncio.sleep(delay)
        if answer.kept:
            self.writer.write(answer.kept)
        if self.sequence.is_mute() and request.transport is not None:
            request.transport.abort()
        return response(answer)


def response(answer: Answer, headers: Mapping[str, str] = {}) -> web.Response:
    return web.Response(
        body=encode(answer.document),
        status=answer.status,
        headers={"Content-Type": CONTENT_TYPE, **headers},
    )


async def serve(arguments: argparse.Namespace, writer: LedgerWriter) -> None:
    origin = f"http://{loopback.HOST}:{arguments.port}"
    sequence = FaultSequence(faults.read(arguments))

    def busy(_: Document) -> Document | None:
        fault = failed("InternalError", "busy", by_sender=False)
        return fault if sequence.is_busy() else None

    sqs = Sqs(origin=origin, script=busy)
    application = web.Application(client_max_size=2 * LARGEST)
    application.router.add_post("/{path:.*}", Endpoint(sqs, sequence, writer).answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, loopback.HOST, arguments.port).start()
        await process.terminated()
    finally:
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    faults.add_arguments(parser)
    arguments = parser.parse_args()
    with ledger.writing(arguments.ledger) as writer:
        uvloop.run(serve(arguments, writer))


if __name__ == "__main__":
    main()
