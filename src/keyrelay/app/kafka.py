"""Kafka: the queue of many machines, opened as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from keyrelay.app.settings import Settings
from keyrelay.databases.database import Database
from keyrelay.model.world import real_world
from keyrelay.ports import TriggerQueue
from keyrelay.sources.kafka.connecting.address import parse_address
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.connection import connection_to
from keyrelay.sources.kafka.options import KafkaOptions
from keyrelay.sources.kafka.queue import Memory, open_queue
from keyrelay.sources.kafka.unclaimed import Unclaimed
from keyrelay.stores.claims.claims import ClaimOptions, ClaimRecords, open_claims
from keyrelay.stores.installation import find_profile


def clients_of(settings: Settings) -> KafkaClients:
    """Return what speaks to Kafka. Raises Unavailable."""
    address = parse_address(settings.queue_url)
    return KafkaClients(connection=connection_to(address, settings.kafka_access))


@asynccontextmanager
async def open_log(
    settings: Settings, database: Database, *, work: bool, drain: bool
) -> AsyncIterator[TriggerQueue]:
    """Open both ends of the log; without `work`, nothing may be leased.

    Raises Unavailable and NotFound.
    """
    clients = clients_of(settings)
    name = clients.connection.address.profile
    profile = None if name is None else (await find_profile(database, name)).id
    terms = KafkaOptions(ordered=settings.ordering == "key", drain=drain)
    async with (
        _memory(settings, database, work=work) as memory,
        open_queue(clients, memory, real_world(), terms, profile) as queue,
    ):
        yield queue


@asynccontextmanager
async def _memory(
    settings: Settings, database: Database, *, work: bool
) -> AsyncIterator[Memory]:
    world, window = real_world(), timedelta(hours=settings.deduplication_hours)
    if not window:
        yield Memory(claims=Unclaimed(), states=Unclaimed())
        return
    records = ClaimRecords(database=database, world=world)
    if not work:
        yield Memory(claims=Unclaimed(), states=records)
        return
    terms = ClaimOptions(lease=timedelta(seconds=settings.lease_seconds), window=window)
    async with open_claims(database, world, terms) as claims:
        yield Memory(claims=claims, states=records)
