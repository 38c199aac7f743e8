"""`keyrelay migrate`: the tables, brought up to date with this version."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer

from keyrelay.app.settings import Settings
from keyrelay.app.store import NotInitialised, open_store
from keyrelay.cli.input import confirm
from keyrelay.cli.options import AsJson, Yes
from keyrelay.cli.output import put, say, show_table
from keyrelay.cli.refusals import Refused
from keyrelay.cli.session import actor, run, settings_of
from keyrelay.databases.database import ENDLESS, Database, Locked
from keyrelay.databases.opening import is_there, open_database
from keyrelay.stores.definitions.vouching import Finding, find_unvouched, vouch
from keyrelay.stores.schema.migrations import MigrationStep, migrate, plan

app = typer.Typer(rich_markup_mode=None)

_TRIES = 60
_BETWEEN_TRIES = 1.0  # seconds


@app.command(
    "migrate",
    epilog="""\b
Examples:
  keyrelay migrate --plan
  keyrelay migrate --yes

Workers may run meanwhile; changes of definitions wait. All steps are taken, or none. A
database in a file is migrated by the first command that opens it. On a server, where
other processes may be using it, only this command migrates it.""",
)
def migrate_(
    ctx: typer.Context,
    *,
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done, and do nothing.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database's tables up to date; the plan is shown first."""
    settings = settings_of(ctx)
    steps = run(_plan(settings))
    if only_plan or not as_json:
        _show(steps, as_json=as_json)
    if only_plan:
        return
    if steps:
        if not yes:
            confirm(f"Take {len(steps)} {'step' if len(steps) == 1 else 'steps'}?")
        run(_migrate(settings))
    _vouch(settings, yes=yes)
    if as_json:
        _show(steps, as_json=True)
    elif steps:
        put("the tables are up to date now")


def _vouch(settings: Settings, *, yes: bool) -> None:
    """Say what stands in profiles without an index, then vouch for it."""
    findings = run(_find(settings))
    for finding in findings:
        counts = ", ".join(f"{noun}: {n}" for noun, n in finding.counts.items())
        say(f"keyrelay: profile {finding.name} has {counts}")
        for flaw in finding.flaws:
            say(f"keyrelay: profile {finding.name}: {flaw}")
    if not findings:
        return
    if not yes:
        confirm("Vouch for these definitions as they stand?")
    run(_accept(settings, findings))


async def _find(settings: Settings) -> Sequence[Finding]:
    try:
        async with open_store(settings, vouch=False) as store:
            return await find_unvouched(store.audit_log, store.guard)
    except NotInitialised:
        return ()


async def _accept(settings: Settings, findings: Sequence[Finding]) -> None:
    async with open_store(settings, vouch=False) as store:
        for finding in findings:
            await vouch(store.audit_log, finding, actor())


async def _plan(settings: Settings) -> Sequence[MigrationStep]:
    if not is_there(settings.database_url):
        raise Refused("there is no database yet; run `keyrelay init` first")
    async with open_database(settings.database_url) as database:
        return await plan(database)


async def _migrate(settings: Settings) -> None:
    async with open_database(settings.database_url, ENDLESS) as database:
        await _migrate_when_free(database)


async def _migrate_when_free(database: Database) -> None:
    """Retry while a table is in use: each try is short, so no worker waits for long."""
    for _ in range(_TRIES - 1):
        try:
            return await migrate(database)
        except Locked:
            say("keyrelay: a table is in use; trying again")
        await asyncio.sleep(_BETWEEN_TRIES)
    return await migrate(database)


def _show(steps: Sequence[MigrationStep], *, as_json: bool) -> None:
    documents = [{"revision": step.revision, "what": step.what} for step in steps]
    if as_json:
        put(json.dumps(documents, indent=2))
    elif steps:
        show_table(documents, ("revision", "what"))
    else:
        put("the tables are up to date")
