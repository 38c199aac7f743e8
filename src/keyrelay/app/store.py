"""Store: the vault, the stores and the queue, opened as the settings say."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from keyrelay.app.definitions import DefinitionStores, definition_stores
from keyrelay.app.home import keep_private
from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.app.work import Work
from keyrelay.databases.database import Database
from keyrelay.databases.opening import file_of, is_there, open_database
from keyrelay.model.catalog import Catalog
from keyrelay.model.world import World, real_world
from keyrelay.ports import TriggerQueue, Unavailable
from keyrelay.sources.kafka.connecting.address import parse_address
from keyrelay.sources.sqlite.options import SqliteOptions
from keyrelay.sources.sqlite.queue import open_queue
from keyrelay.stores.audit.log import ChainedLog, open_audit_log
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.consoles import ConsoleStore
from keyrelay.stores.dead_letters import DeadLetterStore
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.loading import load
from keyrelay.stores.definitions.revision_reading import reading_revision
from keyrelay.stores.definitions.vouching import find_unvouched
from keyrelay.stores.definitions.vouching import vouch as vouch_for
from keyrelay.stores.installation import Installation, read_installation
from keyrelay.stores.pauses import PauseRecords
from keyrelay.stores.runs.hosts import RunHosts
from keyrelay.stores.schema.age import Age, DatabaseTooNew, DatabaseTooOld, age_of
from keyrelay.vault.keyring import KeyEncryptionKey, Keyring
from keyrelay.vault.providers import environment, file
from keyrelay.vault.vault import Vault

log = logging.getLogger(__name__)


class NotInitialised(Exception):
    """There is no installation here; the message says how to make one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """All stores of an installation, open, and the vault over them."""

    database: Database
    vault: Vault
    audit_log: ChainedLog
    definitions: DefinitionStores
    trail: AuditTrail
    dead_letters: DeadLetterStore

    @property
    def pauses(self) -> PauseRecords:
        return PauseRecords(database=self.database, world=self.audit_log.world)

    @property
    def consoles(self) -> ConsoleStore:
        return ConsoleStore(database=self.database)

    @property
    def run_hosts(self) -> RunHosts:
        return RunHosts(database=self.database, world=self.audit_log.world)

    @property
    def guard(self) -> DefinitionGuard:
        return DefinitionGuard(vault=self.vault, checkpoint=self.audit_log.checkpoint)


@asynccontextmanager
async def open_store(settings: Settings, *, vouch: bool = True) -> AsyncIterator[Store]:
    """Open the stores and the vault.

    With `vouch`, the definitions of a database in a file that an older Keyrelay wrote
    get their index, unless something is wrong with them.

    Raises NotInitialised, Unavailable, DatabaseTooNew and DatabaseTooOld.
    """
    world = real_world()
    keep_private(settings.home, settings.key_path)
    if not is_there(settings.database_url):
        raise _not_initialised()
    async with open_database(settings.database_url) as database:
        await make_current(database)
        installed = await read_installation(database)
        if installed is None:
            raise _not_initialised()
        vault = vault_over(settings, installed, world)
        checkpoint = settings.checkpoint_path
        async with open_audit_log(database, vault, world, checkpoint) as audit_log:
            store = _store(settings, database, audit_log)
            if vouch and not database.is_shared:
                await _vouch(store)
            yield store


def is_embedded(settings: Settings) -> bool:
    """Return whether the database is a file of the data directory."""
    return file_of(settings.database_url).parent == settings.home


async def _vouch(store: Store) -> None:
    try:
        findings = await find_unvouched(store.audit_log, store.guard)
    except Unavailable:  # sealed: nothing can be vouched for, and nothing is released
        return
    for finding in findings:
        if finding.flaws:
            extra = {"profile": finding.name, "reason": finding.flaws[0]}
            log.error(
                "definitions not vouched for: run `keyrelay migrate`", extra=extra
            )
        else:
            await vouch_for(store.audit_log, finding, "keyrelay")


@asynccontextmanager
async def open_inbox(
    settings: Settings, store: Store, work: Work | None = None
) -> AsyncIterator[TriggerQueue]:
    """Open the queue; without `work`, only to publish and to look.

    Raises Unavailable.
    """
    opened = _open_log if settings.is_log else _open_file
    async with opened(settings, store, work) as queue:
        yield queue


def require_own_profile(settings: Settings, name: str) -> None:
    """Raise InvalidSettings if workers would refuse what that profile publishes."""
    if not settings.is_log:
        return
    profile = parse_address(settings.queue_url).profile
    if profile not in (None, name):
        raise InvalidSettings(
            f"KEYRELAY_QUEUE takes triggers of the profile {profile!r} only: publish"
            " in that profile, or into a topic whose URL names none"
        )


@asynccontextmanager
async def _open_file(
    settings: Settings, store: Store, work: Work | None
) -> AsyncIterator[TriggerQueue]:
    options = SqliteOptions(
        ordered=settings.ordering == "key",
        drain=work is not None and work.drain,
        lease=timedelta(seconds=settings.lease_seconds),
    )
    path, bury = file_of(settings.queue_url), store.dead_letters.keep_unreadable
    is_paused = None if work is None else work.is_paused
    with reading_revision(store.database) as revision:
        world = real_world()
        opened = open_queue(path, world, options, bury, is_paused, revision)
        async with opened as queue:
            yield queue


@asynccontextmanager
async def _open_log(
    settings: Settings, store: Store, work: Work | None
) -> AsyncIterator[TriggerQueue]:
    # Imported here: the client library takes longer to load than most commands run.
    from keyrelay.app.kafka import open_log

    bury = store.dead_letters.keep_unreadable
    async with open_log(settings, store.database, work, bury) as queue:
        yield queue


async def read_catalog(store: Store) -> Catalog:
    """Return what a worker would see of the definitions now. Raises Unavailable."""
    keys, noted = await store.guard.keys(), await store.guard.noted()
    rules = store.definitions.secrets.actions
    async with store.database.reading() as connection:
        return (await load(connection, keys, noted, rules)).catalog


async def make_current(database: Database) -> None:
    """Migrate a database that only this machine uses; refuse a shared one to migrate.

    Raises NotInitialised, DatabaseTooNew and DatabaseTooOld.
    """
    age = await age_of(database)
    if age is Age.NEWER:
        raise DatabaseTooNew("a newer Keyrelay made this database: run that one")
    if age is Age.NONE and database.is_shared:
        raise _not_initialised()
    if age is Age.OLDER and database.is_shared:
        raise DatabaseTooOld(
            "an older Keyrelay made this database: run `keyrelay migrate` first"
        )
    if age is not Age.CURRENT:
        await migrate_tables(database)


async def migrate_tables(database: Database) -> None:
    # Imported here: it takes longer to load than most commands take to run.
    from keyrelay.stores.schema.migrations import migrate

    await migrate(database)


def _not_initialised() -> NotInitialised:
    return NotInitialised("nothing is set up here; run `keyrelay init` first")


def vault_over(settings: Settings, installed: Installation, world: World) -> Vault:
    return Vault(
        Keyring(
            store_id=installed.store,
            wrapped=installed.keys,
            provider=_key_provider(settings),
            now=world.now,
        )
    )


def _key_provider(settings: Settings) -> Callable[[], KeyEncryptionKey]:
    if (key := settings.key) is not None:
        # Not a partial: its repr would show the key.
        return lambda: environment.load(key.get_secret_value())
    return partial(file.load, settings.key_path)


def _store(settings: Settings, database: Database, audit_log: ChainedLog) -> Store:
    journal = Journal(audit_log=audit_log)
    return Store(
        database=database,
        vault=audit_log.vault,
        audit_log=audit_log,
        definitions=definition_stores(settings, database, journal),
        trail=AuditTrail(
            database=database, vault=audit_log.vault, checkpoint=audit_log.checkpoint
        ),
        dead_letters=DeadLetterStore(database=database, journal=journal),
    )
