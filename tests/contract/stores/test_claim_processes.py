"""Claims among processes: each is claimed by one, and what a kill leaves is found."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from keyrelay.model.claim import Busy, Go
from tests.contract.stores.claim_process import ALL
from tests.contract.stores.claims import LEASE, DatabaseOffice
from tests.contract.stores.ground import Ground

pytestmark = pytest.mark.timeout(90)

CUT = Go(number=2, cut=True, done=frozenset())


async def start(task: str, ground: Ground) -> Process:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    module = "tests.contract.stores.claim_process"
    command = (sys.executable, "-m", module, task, ground.url)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, env=environment
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_each_trigger_is_claimed_by_one_process(ground: Ground) -> None:
    processes = [await start("race", ground) for _ in range(3)]

    outputs = await asyncio.gather(*(each.communicate(b"go\n") for each in processes))

    assert [process.returncode for process in processes] == [0, 0, 0]
    claimed = [id_ for output, _ in outputs for id_ in output.decode().split()]
    assert sorted(claimed) == sorted(arrival.id for arrival in ALL)


async def test_what_a_killed_process_had_claimed_goes_on_as_cut(
    ground: Ground,
) -> None:
    office = DatabaseOffice(ground=ground)
    async with office.open() as claims:
        process = await start("hold", ground)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"go\n")
        await process.stdout.readline()
        process.kill()
        await process.wait()

        at_once = await claims.claim(ALL[:50])
        await office.pass_time(2 * LEASE)

        assert at_once == [Busy()] * 50
        assert await claims.claim(ALL[:50]) == [CUT] * 50
