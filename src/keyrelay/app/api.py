"""API: the composition root of a process that answers over HTTP."""

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from keyrelay.app.channels import action_rules
from keyrelay.app.external_runs import run_listening
from keyrelay.app.intake import Intake, intake_of
from keyrelay.app.jobs import jobs_of
from keyrelay.app.readiness import readiness_of
from keyrelay.app.runs import run_tokens
from keyrelay.app.script_services import open_script_services
from keyrelay.app.settings import Settings
from keyrelay.app.store import Store, open_inbox, open_store
from keyrelay.concurrency.background import background
from keyrelay.concurrency.gathering import Gathered
from keyrelay.databases.opening import file_of
from keyrelay.databases.server_url import is_server_url
from keyrelay.model.backlog import Lag
from keyrelay.model.catalog import Catalog
from keyrelay.model.secret import Secret
from keyrelay.observability.request_metrics import (
    ApiObservability,
    RequestMetrics,
    new_api_observability,
)
from keyrelay.ports import TriggerQueue
from keyrelay.services.authenticating import Authenticating
from keyrelay.services.events.following import Events
from keyrelay.services.events.listeners import Listeners, StreamLimits
from keyrelay.services.events.run_listeners import RunListening
from keyrelay.services.explaining import Explaining
from keyrelay.services.installation_status import DataFiles, InstallationInspection
from keyrelay.services.key_status import KeyInspection
from keyrelay.services.script_links import ScriptLinks
from keyrelay.services.sessions import Sessions
from keyrelay.stores.audit.tail import AuditTail
from keyrelay.stores.definitions.live_catalog import LiveCatalog
from keyrelay.stores.definitions.token_rows import digest_of
from keyrelay.stores.last_times import TokenUses, open_noted_times
from keyrelay.stores.sessions import SessionStore

# How long tokens that are not known are gathered, to look for all of them at once.
_UNKNOWN_GATHER = timedelta(milliseconds=50)
_MOST_STREAMS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What is told over connections that stay open."""

    events: Events
    runs: RunListening

    def count(self) -> int:
        return self.events.listeners.count() + self.runs.listeners.counted.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProcess:
    """What an API process has open, and the services over it."""

    settings: Settings
    store: Store
    intake: Intake
    catalog: LiveCatalog
    streams: Streams
    observed: ApiObservability

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return self.settings.public_url

    @property
    def events(self) -> Events:
        return self.streams.events

    @property
    def queue(self) -> TriggerQueue:
        return self.intake.queue

    @property
    def inspection(self) -> InstallationInspection:
        store = self.store
        return InstallationInspection(
            keys=KeyInspection(guard=store.guard, pauses=store.pauses),
            trail=store.trail,
            jobs=jobs_of(store),
            queue=self.queue,
            files=data_files(self.settings),
            run_hosts=store.run_hosts,
        )

    def new_authenticating(self) -> Authenticating:
        """Return what tells tokens; however many are wrong, few queries are made."""
        store, world = self.store, self.store.audit_log.world
        refresh = Gathered(
            act=self.catalog.refresh, gather=partial(world.sleep, _UNKNOWN_GATHER)
        )
        return Authenticating(
            catalog=self.catalog.current,
            refresh=refresh.run,
            digest=partial(digest_of, store.vault),
            now=world.now,
            note_use=self.events.note_use,
            of_run=run_tokens(store).read,
        )

    def new_sessions(self, authenticating: Authenticating) -> Sessions:
        """Return the sessions of people, whose tokens are told by `authenticating`."""
        store = self.store
        return Sessions(
            vault=store.vault,
            store=SessionStore(database=store.database),
            authenticating=authenticating,
            now=store.audit_log.world.now,
        )

    @property
    def script_links(self) -> ScriptLinks:
        store = self.store
        return ScriptLinks(vault=store.vault, now=store.audit_log.world.now)

    @property
    def explaining(self) -> Explaining:
        definitions = self.store.definitions
        return Explaining(
            actions=definitions.actions,
            analyses=definitions.analyses,
            secrets=definitions.secrets,
            catalog=self.newest_catalog,
        )

    async def newest_catalog(self) -> Catalog:
        """Return what a worker would see of the definitions now. Raises Unavailable."""
        await self.catalog.refresh()
        return self.catalog.current()


@asynccontextmanager
async def open_api(
    settings: Settings, metrics: RequestMetrics
) -> AsyncIterator[ApiProcess]:
    """Open all that the API needs; `metrics` are what it counts of its requests.

    A vault that is sealed, and a database that is away, are answered with 503. Raises
    what `open_store` does, and Unavailable if the queue cannot be opened.
    """
    async with open_store(settings) as store, open_inbox(settings, store) as queue:
        catalog = _catalog(settings, store)
        readiness = readiness_of(store, catalog, queue, _lags(settings, queue))
        await catalog.refresh()
        began = store.audit_log.world.now()
        async with (
            background(catalog.watch(asyncio.Event())),
            _streaming(settings, store, catalog) as streams,
            open_script_services(settings, store) as services,
        ):
            observed = new_api_observability(metrics, readiness, began, streams.count)
            yield ApiProcess(
                settings=settings,
                store=store,
                intake=intake_of(settings, store, queue, services),
                catalog=catalog,
                streams=streams,
                observed=observed,
            )
        await readiness.close()


def _lags(
    settings: Settings, queue: TriggerQueue
) -> Callable[[], Awaitable[Sequence[Lag]]]:
    """Return what asks the queue whether it answers: of a topic none reads here."""

    async def ask() -> Sequence[Lag]:
        await queue.unread()
        return ()

    return ask if settings.is_log else queue.lags


def data_files(settings: Settings) -> DataFiles:
    database, queue = settings.database_url, settings.queue_url
    return DataFiles(
        home=settings.home,
        database=None if is_server_url(database) else file_of(database),
        queue=None if settings.is_log else file_of(queue),
    )


def _catalog(settings: Settings, store: Store) -> LiveCatalog:
    return LiveCatalog(
        database=store.database,
        guard=store.guard,
        world=store.audit_log.world,
        rules=action_rules(settings),
        replaced=_nothing_waits,
    )


@asynccontextmanager
async def _streaming(
    settings: Settings, store: Store, catalog: LiveCatalog
) -> AsyncIterator[Streams]:
    """Give the streams; events are told while the block runs."""
    world = store.audit_log.world
    async with open_noted_times(store.database, world) as times:
        events = Events(
            tail=AuditTail(database=store.database),
            catalog=catalog,
            world=world,
            listeners=Listeners(limits=_stream_limits()),
            note_use=TokenUses(times=times).note,
        )
        streams = Streams(events=events, runs=run_listening(settings, events))
        async with (
            background(events.keep_telling()),
            background(events.keep_checking()),
            background(streams.runs.keep_checking()),
        ):
            yield streams


def _stream_limits() -> StreamLimits:
    """Leave three of four connections, or more, to others.

    Half of the files that the process may open are for connections (api/border).
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_STREAMS
    if files != resource.RLIM_INFINITY:
        most = min(most, max(1, files // 8))
    return StreamLimits(in_all=most, of_a_profile=max(1, most // 2))


def _nothing_waits(_: Secret) -> None:
    """Do nothing: only a worker has triggers that wait for a secret."""
