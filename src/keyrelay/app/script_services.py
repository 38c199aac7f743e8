"""Script services: the dispatchers of a process that acts for scripts over the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyrelay.app.channels import Dispatchers, channels, open_dispatchers
from keyrelay.app.settings import Settings
from keyrelay.app.store import Store
from keyrelay.concurrency.background import background
from keyrelay.services.script_calls import CallLimits, CallRoom
from keyrelay.services.script_records import ScriptRecords
from keyrelay.services.script_services import (
    CredentialCircuits,
    ScriptService,
    ScriptServices,
)


@asynccontextmanager
async def open_script_services(
    settings: Settings, store: Store
) -> AsyncIterator[ScriptServices]:
    world, limits = store.audit_log.world, CallLimits()
    records = ScriptRecords(keep=store.audit_log.keep_records, sleep=world.sleep)
    async with (
        open_dispatchers(settings) as dispatchers,
        background(records.keep_settling()),
    ):
        yield ScriptServices(
            services=_services(settings, dispatchers),
            authenticator=store.vault.authenticator,
            records=records,
            # Slow servers may take most of the calls, never all of them.
            credentials=CredentialCircuits(
                now=world.now, slow_limit=limits.in_all * 3 // 4
            ),
            room=CallRoom(limits=limits),
            world=world,
        )


def _services(settings: Settings, dispatchers: Dispatchers) -> dict[str, ScriptService]:
    return {
        name: ScriptService(
            type=channel.service,
            secret=needed,
            dispatcher=dispatchers[name],
        )
        for name, channel in channels(settings).items()
        if channel.service is not None and (needed := channel.action.secret) is not None
    }
