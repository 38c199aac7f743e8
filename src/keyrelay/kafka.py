"""Kafka: the queue of many machines, opened as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyrelay.ports import Claims, TriggerQueue
from keyrelay.settings import Settings
from keyrelay.sources.kafka.address import parse_address
from keyrelay.sources.kafka.clients import Clients
from keyrelay.sources.kafka.connection import connection_to
from keyrelay.sources.kafka.queue import open_queue
from keyrelay.sources.kafka.terms import Terms
from keyrelay.stores.database import Database
from keyrelay.stores.installation import find_profile
from keyrelay.world import real_world


def clients_of(settings: Settings) -> Clients:
    """Return what speaks to Kafka. Raises Unavailable."""
    address = parse_address(settings.queue_url)
    return Clients(connection=connection_to(address, settings.kafka_access))


@asynccontextmanager
async def open_log(
    settings: Settings, database: Database, claims: Claims, *, drain: bool
) -> AsyncIterator[TriggerQueue]:
    """Open both ends of the log. Raises Unavailable and NotFound."""
    clients = clients_of(settings)
    name = clients.connection.address.profile
    profile = None if name is None else (await find_profile(database, name)).id
    terms = Terms(ordered=settings.ordering == "key", drain=drain)
    async with open_queue(clients, claims, real_world(), terms, profile) as queue:
        yield queue
