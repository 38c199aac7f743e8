"""Clients: consumers, producers and administrators, set up as durability needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from keyrelay.sources.kafka.connecting.connection import Connection
from keyrelay.sources.kafka.connecting.unpacking import bound_decoders
from keyrelay.sources.kafka.records.size import LARGEST_RECORD

_FETCH = 1024 * 1024  # bytes of one partition at a time
_FEW = 16 * 1024  # bytes, where one record is wanted
_PATIENCE = 10_000  # milliseconds for a request
_FAREWELL = 5.0  # seconds for a start that is cut short


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaClients:
    """`member` is this process's own name in the group, the same after a restart.

    The brokers give a member of that name its partitions back, without a rebalance,
    which would stop the whole group until the member that crashed counts as dead. A
    member with a name does not leave the group when it stops. None, it has no name.
    """

    connection: Connection
    member: str | None = None

    def consumer(self) -> AIOKafkaConsumer:
        """Return a member of the group; it commits only what it is told to."""
        bound_decoders()
        return AIOKafkaConsumer(
            **self.connection.arguments(),
            group_id=self.connection.address.group,
            group_instance_id=self.member,  # KIP-345
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # also what was published before
            isolation_level="read_committed",  # nothing of aborted transactions
            fetch_max_wait_ms=100,  # a resumed partition waits for it
            fetch_max_bytes=4 * _FETCH,
            max_partition_fetch_bytes=_FETCH,
            request_timeout_ms=_PATIENCE,
            # A rebalance waits so long for a dead member. Brokers allow no less by
            # default (group.min.session.timeout.ms).
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            metadata_max_age_ms=30_000,
        )

    def producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self.connection.arguments(),
            acks="all",
            enable_idempotence=True,
            max_request_size=LARGEST_RECORD,
            max_batch_size=64 * 1024,
            request_timeout_ms=_PATIENCE,
            metadata_max_age_ms=30_000,
        )

    @asynccontextmanager
    async def onlooking(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Lend a consumer of no group, which asks for offsets and single records."""
        bound_decoders()
        client = AIOKafkaConsumer(
            **self.connection.arguments(),
            enable_auto_commit=False,
            max_partition_fetch_bytes=_FEW,
            request_timeout_ms=_PATIENCE,
        )
        try:
            await start(client)
            yield client
        finally:
            await client.stop()

    @asynccontextmanager
    async def administrating(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(
            **self.connection.arguments(), request_timeout_ms=_PATIENCE
        )
        try:
            await start(client)
            yield client
        finally:
            await client.close()


async def start(
    client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient,
) -> None:
    """Start a client, so that `stop` or `close` leaves no connection open.

    aiokafka loses its first connection if it is cancelled while it waits for the
    cluster's metadata: a start that is cut short is therefore finished first. It
    raises what the client raises.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    finally:
        await asyncio.wait([starting], timeout=_FAREWELL)
        starting.cancel()
        await asyncio.wait([starting])
