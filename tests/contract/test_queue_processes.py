"""The embedded queue among processes: what a kill leaves, and what each is lent."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from keyrelay.model.world import real_world
from keyrelay.sources.sqlite.queue import open_queue
from tests.contract.queues import UntilIdle, trigger

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


async def start(task: str, path: Path) -> Process:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-m", "tests.contract.queue_process", task, str(path))
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, env=environment
    )


async def read_line(process: Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def test_what_was_accepted_outlives_a_kill_in_the_next_instant(
    path: Path,
) -> None:
    process = await start("accept", path)
    assert await read_line(process) == b"accepted\n"

    process.kill()
    await process.wait()

    async with open_queue(path, real_world()) as queue:
        lease = await queue.lease(UntilIdle())
        assert lease is not None
        assert lease.trigger == trigger()


async def test_two_processes_are_never_lent_the_same_trigger(path: Path) -> None:
    ids = [f"t{number}" for number in range(400)]
    async with open_queue(path, real_world()) as queue:
        await asyncio.gather(*(queue.accept(trigger(id_)) for id_ in ids))
    processes = [await start("drain", path) for _ in range(2)]
    first = [await read_line(process) for process in processes]

    rest = await asyncio.gather(
        *(process.communicate(b"go\n") for process in processes)
    )

    got = [line.decode().strip() for line in first]
    got += [id_ for output, _ in rest for id_ in output.decode().split()]
    assert sorted(got) == sorted(ids)
