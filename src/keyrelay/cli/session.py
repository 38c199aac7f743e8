"""Session: the open store that a command works on, and the CLI's only event loop."""

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

import typer
import uvloop

from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import Store, open_inbox, open_store, require_own_profile
from keyrelay.cli.options import GlobalOptions
from keyrelay.cli.refusals import Refused
from keyrelay.databases.database import Database
from keyrelay.model.world import World
from keyrelay.observability.logs import configure_command_logs, report_loop_fault
from keyrelay.ports import Inbox, TriggerQueue
from keyrelay.services.naming import find_definition, find_profile
from keyrelay.stores.definitions.stored_document import id_of
from keyrelay.stores.installation import Profile
from keyrelay.stores.refusals import NotFound

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`actor` is the name that is recorded with each change."""

    settings: Settings
    store: Store
    profile: Profile
    actor: str

    @property
    def world(self) -> World:
        return self.store.audit_log.world

    async def action_id(self, name: str | None) -> str | None:
        """Return the id of the action with that id or name; None if none is given."""
        if name is None:
            return None
        actions = self.store.definitions.actions
        return id_of(await find_definition(actions, self.profile.id, name))

    def queue(self) -> AbstractAsyncContextManager[TriggerQueue]:
        return open_inbox(self.settings, self.store)

    def inbox(self) -> AbstractAsyncContextManager[Inbox]:
        """Return the queue to publish into.

        Raises InvalidSettings if it takes no triggers of this profile.
        """
        require_own_profile(self.settings, self.profile.name)
        return self.queue()


def settings_of(ctx: typer.Context) -> Settings:
    """Return the settings in force. Raises InvalidSettings."""
    options = ctx.find_object(GlobalOptions)
    assert options is not None
    settings = load_settings(options.config, options.settings)
    configure_command_logs(settings.log_format, sys.stderr)
    return settings


def perform(ctx: typer.Context, work: Callable[[Session], Awaitable[T]]) -> T:
    """Open the store, do the work in the chosen profile, and close the store."""
    return run(_perform(settings_of(ctx), work))


def run(work: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(report_loop_fault)
        return runner.run(work)


def actor() -> str:
    """Return the user's name as the system knows it: the environment can be set."""
    user = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"cli:{user}"


async def _perform(settings: Settings, work: Callable[[Session], Awaitable[T]]) -> T:
    async with open_store(settings) as store:
        profile = await _profile(store.database, settings.profile)
        return await work(
            Session(settings=settings, store=store, profile=profile, actor=actor())
        )


async def _profile(database: Database, name: str) -> Profile:
    try:
        return await find_profile(database, name)
    except NotFound as fault:
        raise Refused(f"{fault}; `keyrelay init --profile` makes one") from None
