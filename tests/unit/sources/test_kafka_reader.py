"""The reader: a fault that it cannot recover from does not go unnoticed."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka import AIOKafkaConsumer

from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions, TopicOwner
from keyrelay.sources.kafka.queue import KafkaQueue, open_queue
from keyrelay.stores.claims.unclaimed import Unclaimed
from tests.contract.queues import Stop
from tests.samples import PROFILE
from tests.unit.sources.kafka_fakes import CONNECTION, House

pytestmark = pytest.mark.timeout(20)


class Bug(Exception):
    pass


class BrokenClients(KafkaClients):
    def consumer(self) -> AIOKafkaConsumer:
        raise Bug


async def test_a_fault_that_ends_reading_ends_the_lease_and_the_queue() -> None:
    house, stop = House(), Stop()
    claims = ClaimAccess(claims=house.claims, states=house.claims, people=Unclaimed())
    clients = BrokenClients(connection=CONNECTION)
    opened = open_queue(
        clients,
        claims,
        house.clock.world(),
        KafkaOptions(),
        TopicOwner(profile=PROFILE),
    )

    with pytest.raises(Bug):
        await lease_while_reading_breaks(opened, stop)


async def lease_while_reading_breaks(
    opened: AbstractAsyncContextManager[KafkaQueue], stop: Stop
) -> None:
    async with opened as queue:
        lease = asyncio.create_task(queue.lease(stop))
        await stop.awaited.wait()
        await queue.wake_all()
        with pytest.raises(Bug):
            await lease


async def test_a_queue_that_never_read_closes_in_peace() -> None:
    house = House()
    claims = ClaimAccess(claims=house.claims, states=house.claims, people=Unclaimed())
    clients = BrokenClients(connection=CONNECTION)

    async with open_queue(
        clients,
        claims,
        house.clock.world(),
        KafkaOptions(),
        TopicOwner(profile=PROFILE),
    ):
        pass

    assert house.consumers == []
