"""Kafka: the queue of many machines, opened as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from keyrelay.app.settings import Settings
from keyrelay.app.work import Work
from keyrelay.databases.database import Database
from keyrelay.model.dead_letter import UnreadableBurials
from keyrelay.model.secret import SecretValue
from keyrelay.model.world import real_world
from keyrelay.ports import TriggerQueue
from keyrelay.sources.kafka.connecting.access import Access
from keyrelay.sources.kafka.connecting.address import parse_address
from keyrelay.sources.kafka.connecting.clients import KafkaClients
from keyrelay.sources.kafka.connecting.connection import connection_to
from keyrelay.sources.kafka.options import ClaimAccess, KafkaOptions, TopicOwner
from keyrelay.sources.kafka.queue import open_queue
from keyrelay.stores.claims.claims import ClaimOptions, open_claims
from keyrelay.stores.claims.heartbeat import is_any_known
from keyrelay.stores.claims.interventions import ClaimInterventions
from keyrelay.stores.claims.records import ClaimRecords
from keyrelay.stores.claims.unclaimed import Unclaimed
from keyrelay.stores.definitions.loading import revision_now
from keyrelay.stores.installation import find_profile, read_upgraded_at


def clients_of(settings: Settings) -> KafkaClients:
    """Return the clients of the settings' brokers. Raises Unavailable."""
    address = parse_address(settings.queue_url)
    connection = connection_to(address, kafka_access(settings))
    return KafkaClients(connection=connection, member=settings.kafka_member)


@asynccontextmanager
async def open_log(
    settings: Settings,
    database: Database,
    work: Work | None,
    bury: UnreadableBurials,
) -> AsyncIterator[TriggerQueue]:
    """Open the queue in Kafka; without `work`, to publish and look only.

    `bury` is a TopicOwner's. Raises Unavailable, and NotFound if the queue's URL names
    a profile that does not exist.
    """
    clients = clients_of(settings)
    name = clients.connection.address.profile
    profile = None if name is None else (await find_profile(database, name)).id
    drain = work is not None and work.drain
    options = KafkaOptions(
        ordered=settings.ordering == "key",
        drain=drain,
        cut_before=None if work is None else await _cut_before(settings, database),
    )
    revision = partial(revision_now, database)
    owner = TopicOwner(profile=profile, bury=bury, revision=revision)
    holds = _holds_all if work is None else work.holds
    async with (
        _claim_store(settings, database, work=work is not None) as store,
        open_queue(clients, store, real_world(), options, owner, holds) as queue,
    ):
        yield queue


async def _cut_before(settings: Settings, database: Database) -> datetime | None:
    """Return until when triggers may have been attempted that no claim tells of."""
    if settings.deduplication_hours or not await is_any_known(database):
        return None
    return real_world().now()


def _holds_all(_: str) -> bool:
    return True


@asynccontextmanager
async def _claim_store(
    settings: Settings, database: Database, *, work: bool
) -> AsyncIterator[ClaimAccess]:
    world, window = real_world(), timedelta(hours=settings.deduplication_hours)
    if not window:
        none = Unclaimed()
        yield ClaimAccess(claims=none, states=none, people=none, kept=False)
        return
    records = ClaimRecords(database=database, world=world)
    people = ClaimInterventions(database=database, world=world)
    if not work:
        yield ClaimAccess(claims=Unclaimed(), states=records, people=people)
        return
    options = ClaimOptions(
        lease=timedelta(seconds=settings.lease_seconds), window=window
    )
    upgraded_at = await read_upgraded_at(database)
    async with open_claims(database, world, options) as claims:
        yield ClaimAccess(
            claims=claims,
            states=records,
            people=people,
            upgraded_at=upgraded_at,
            window=window,
        )


def kafka_access(settings: Settings) -> Access:
    """Return how Kafka is spoken to. Raises InvalidAccess."""
    password = settings.kafka_password
    value = None if password is None else password.get_secret_value()
    return Access(
        tls=settings.kafka_tls,
        ca_file=settings.kafka_ca_file,
        mechanism=settings.kafka_mechanism,
        username=settings.kafka_username,
        password=None if value is None else SecretValue(value),
        password_file=settings.kafka_password_file,
    )
