"""Job process: starts a job, or runs jobs, as a process of the API does.

`start KIND [RATE]` prints the id of a job over all dead letters of the profile;
`run [SECONDS]` runs jobs until it is told a line, with leases of that length.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from keyrelay.app.jobs import job_runner, jobs_of
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_inbox, open_store
from keyrelay.model.job import JobKind
from keyrelay.services.jobs import LetterWork
from keyrelay.services.naming import find_profile
from keyrelay.services.redriving import LetterQueue
from keyrelay.stores.dead_letter_query import DeadLetterQuery
from tests.installed import command
from tests.installed.command import Command
from tests.installed.home import Home


def start_job(home: Home, kind: JobKind, rate: float | None = None) -> str:
    """Return the id of a job over all dead letters of the home's profile."""
    words = ["start", kind, *([] if rate is None else [str(rate)])]
    ended = subprocess.run(
        _command(*words), env=_environment(home), capture_output=True, check=True
    )
    return ended.stdout.decode().strip()


@contextmanager
def running_jobs(home: Home, lease: timedelta | None = None) -> Iterator[Command]:
    """Give a process that runs jobs."""
    words = ["run", *([] if lease is None else [str(lease.total_seconds())])]
    with command.running(_command(*words), _environment(home)) as running:
        running.await_said("ready")
        yield running


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.installed.job_process", *words]


def _environment(home: Home) -> dict[str, str]:
    return home.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)}


async def _start(settings: Settings, kind: str, rate: str | None = None) -> None:
    async with open_store(settings) as store:
        profile = await find_profile(store.database, settings.profile)
        work = None
        if kind != JobKind.VERIFY:
            every = DeadLetterQuery()
            work = LetterWork(query=every, rate=None if rate is None else float(rate))
        jobs = jobs_of(store)
        print((await jobs.start(JobKind(kind), profile.id, "test", work)).id)


async def _run(settings: Settings, seconds: str | None = None) -> None:
    stop = asyncio.Event()
    async with open_store(settings) as store, open_inbox(settings, store) as queue:
        letters: LetterQueue = queue
        runner = job_runner(store, letters)
        if seconds is not None:
            leases = replace(
                runner.results.leases, length=timedelta(seconds=float(seconds))
            )
            results = replace(runner.results, leases=leases)
            runner = replace(runner, results=results)
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run(stop))
            await asyncio.to_thread(sys.stdin.readline)
            stop.set()


if __name__ == "__main__":
    named = load_settings(None, {})
    given = sys.argv[2:]
    asyncio.run(
        _start(named, *given) if sys.argv[1] == "start" else _run(named, *given)
    )
