"""Fixtures of the suites about queues; a module of its own, so that pytest loads it."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.contract.kafka_place import in_kafka
from tests.contract.queues import (
    KAFKA_EXCEPTIONS,
    Adapter,
    MemoryPlace,
    OpenQueue,
    Place,
    in_sqlite,
)
from tests.services.kafka import Kafka


@pytest.fixture(scope="session", params=["memory", "sqlite", "kafka"])
def adapter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Adapter:
    async def memory() -> Place:
        return MemoryPlace()

    async def sqlite() -> Place:
        return in_sqlite(tmp_path_factory.mktemp("queue"))

    match request.param:
        case "memory":
            return Adapter(make=memory)
        case "sqlite":
            return Adapter(make=sqlite)
        case _:
            broker: Kafka = request.getfixturevalue("kafka")
            make = partial(in_kafka, broker)
            return Adapter(make=make, exceptions=KAFKA_EXCEPTIONS, examples=40)


@pytest.fixture
async def place(adapter: Adapter, request: pytest.FixtureRequest) -> Place:
    test: pytest.Function = request.node
    reason = adapter.exceptions.get(test.originalname)
    if reason is not None:
        mark = pytest.mark.xfail(raises=AssertionError, strict=True, reason=reason)
        test.add_marker(mark)
    return await adapter.make()


@pytest.fixture
async def queue(place: Place) -> AsyncIterator[OpenQueue]:
    async with place.open() as queue:
        yield queue
