"""The channel `queue-sqs`: messages on the administrator's own queue."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from keyrelay.dispatchers.channel import Channel
from keyrelay.dispatchers.sqs.action import FIELDS, parse_queue_sqs
from keyrelay.dispatchers.sqs.credentials import sqs_secret
from keyrelay.dispatchers.sqs.instruction import NAME
from keyrelay.dispatchers.sqs.preview import preview_messages
from keyrelay.dispatchers.sqs.service import queue_service
from keyrelay.model.action import ActionType
from keyrelay.network.egress import egress_to
from keyrelay.ports import Dispatcher


class SqsSettings(Protocol):
    """The settings that concern queues."""

    @property
    def sqs_endpoints(self) -> Collection[str]: ...

    @property
    def egress_allow(self) -> Collection[str]: ...


def sqs_channel(settings: SqsSettings) -> Channel:
    """Return the channel as these settings allow it."""
    secret = sqs_secret(frozenset(settings.sqs_endpoints))
    return Channel(
        action=ActionType(
            name=NAME,
            secret=secret,
            fields=FIELDS,
            parse=parse_queue_sqs,
            preview=preview_messages,
        ),
        open=partial(_open, settings),
        service=queue_service(secret),
    )


@asynccontextmanager
async def _open(settings: SqsSettings) -> AsyncIterator[Dispatcher]:
    from keyrelay.dispatchers.sqs.client import SqsClientFactory
    from keyrelay.dispatchers.sqs.dispatcher import SqsDispatcher
    from keyrelay.dispatchers.sqs.pool import SenderPool

    endpoints = frozenset(settings.sqs_endpoints)
    clients = SqsClientFactory(
        egress=egress_to(settings.egress_allow), trusted=endpoints
    )
    pool = SenderPool(make=clients.make, now=lambda: datetime.now(UTC))
    dispatcher = SqsDispatcher(endpoints=endpoints, pool=pool)
    try:
        yield dispatcher
    finally:
        await dispatcher.close()
