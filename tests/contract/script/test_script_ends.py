"""How scripts end: what was started ends with them, whatever ends first."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta

import pytest

from keyrelay.dispatchers.script.ending import Exited
from keyrelay.dispatchers.script.process import run_script
from tests.contract.script.calling import LEAVES_CHILDREN
from tests.contract.script.hosting import (
    ROOMY,
    SHORT,
    Site,
    a_run,
    contained,
    descriptors,
    no_line,
    processes_of,
    ran,
    wait_for_end,
)

pytest_plugins = ["tests.contract.script.script_fixtures"]

PATIENCE = timedelta(seconds=10)


@pytest.fixture
def marker() -> str:
    """A word that the command line of each process of a run has."""
    return f"marked-{secrets.token_hex(8)}"


class LineRefused(Exception):
    """The test's own."""


@pytest.mark.parametrize("code", [0, 1, 3, 255])
async def test_the_exit_code_is_the_scripts_own(site: Site, code: int) -> None:
    run = a_run(f"import os\nos._exit({code})", site.interpreter)

    result = await ran(run, site)

    assert result.ending.end == Exited(code)
    assert result.ending.exit_code == code


async def test_a_signal_that_ends_a_script_is_named(site: Site) -> None:
    run = a_run("import os\nos.kill(os.getpid(), 11)", site.interpreter)

    result = await ran(run, site)

    assert "exit code 139 (ended by SIGSEGV)" in result.ending.sentence


async def test_both_outputs_arrive_in_the_order_in_which_they_were_written(
    site: Site,
) -> None:
    code = """\
        import os
        for number in range(100):
            os.write(1 + number % 2, b"%d\\n" % number)
        os.write(2, b"\\xff\\0 is no text")
    """

    result = await ran(a_run(code, site.interpreter), site)

    assert result.lines[:-1] == [str(number) for number in range(100)]
    assert result.lines[-1] == "\ufffd\ufffd is no text"
    assert result.ending.last_lines == (*result.lines[-20:],)


async def test_children_in_new_sessions_end_with_the_script(
    site: Site, marker: str
) -> None:
    code = LEAVES_CHILDREN.removesuffix("time.sleep(1_000)\n")

    result = await ran(a_run(code, site.interpreter, name=f"{marker}.py"), site)

    assert processes_of(marker) == []
    assert result.ending.end == Exited(0)


async def test_a_script_that_closes_its_output_runs_on(site: Site) -> None:
    code = """\
        import os, time
        os.close(1)
        os.close(2)
        time.sleep(0.2)
        os._exit(7)
    """

    result = await contained(code, site)

    assert result.ending.end == Exited(7)


async def test_a_run_that_is_cancelled_leaves_nothing(site: Site, marker: str) -> None:
    before, ready = descriptors(), asyncio.Event()

    async def take(line: str) -> None:
        ready.set()

    run = a_run(LEAVES_CHILDREN, site.interpreter, name=f"{marker}.py")
    running = asyncio.ensure_future(run_script(run, ROOMY, site.host(), take))
    await ready.wait()
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()
    assert processes_of(marker) == []
    assert descriptors() == before


@pytest.mark.parametrize("turns", [1, 2, 3, 4, 6, 8])
async def test_a_run_that_is_cancelled_while_it_starts_leaves_nothing(
    site: Site, marker: str, others: list[int], turns: int
) -> None:
    before = descriptors()

    run = a_run(LEAVES_CHILDREN, site.interpreter, name=f"{marker}.py")
    running = asyncio.ensure_future(run_script(run, ROOMY, site.host(), no_line))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])

    assert children(others) == []
    assert descriptors() == before


async def test_no_zombie_is_left(site: Site, marker: str, others: list[int]) -> None:
    for code in (LEAVES_CHILDREN, "print()"):
        run = a_run(code, site.interpreter, name=f"{marker}.py")
        await ran(run, site, SHORT)

    assert children(others) == []


async def test_a_sandbox_that_is_killed_from_outside_is_told(
    site: Site, others: list[int]
) -> None:
    async def kill(line: str) -> None:
        (bwrap,) = children(others)
        os.kill(bwrap, 9)

    run = a_run(LEAVES_CHILDREN, site.interpreter)

    ending = await run_script(run, ROOMY, site.host(), kill)

    assert "exit code 137 (ended by SIGKILL)" in ending.sentence


async def test_a_line_that_is_not_taken_ends_the_run(site: Site, marker: str) -> None:
    async def refuse(line: str) -> None:
        raise LineRefused

    run = a_run(LEAVES_CHILDREN, site.interpreter, name=f"{marker}.py")

    with pytest.raises(LineRefused):
        await run_script(run, ROOMY, site.host(), refuse)
    assert processes_of(marker) == []


async def test_a_run_ends_in_time_while_its_lines_are_not_taken(
    site: Site, marker: str
) -> None:
    ended, waiting = asyncio.Event(), asyncio.Event()

    async def hold(line: str) -> None:
        waiting.set()
        await ended.wait()

    run = a_run(LEAVES_CHILDREN, site.interpreter, name=f"{marker}.py")
    running = asyncio.ensure_future(run_script(run, SHORT, site.host(), hold))
    await waiting.wait()
    pidfds = [os.pidfd_open(each) for each in processes_of(marker)]
    over = await asyncio.to_thread(wait_for_end, pidfds, PATIENCE)
    ended.set()
    await running
    for pidfd in pidfds:
        os.close(pidfd)

    assert len(pidfds) == 4
    assert over


def test_nothing_outlives_a_caller_that_is_killed(
    site: Site, marker: str, request: pytest.FixtureRequest
) -> None:
    which = "a user of its own" if site.wall.own_users else "our user"
    module = "tests.contract.script.calling"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    caller = subprocess.Popen(
        [sys.executable, "-m", module, marker, which],
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"ready\n"
    inside = [each for each in processes_of(marker) if each != caller.pid]
    pidfds = [os.pidfd_open(each) for each in inside]

    caller.kill()
    caller.wait()
    caller.stdout.close()

    assert len(pidfds) == 4
    assert wait_for_end(pidfds, PATIENCE)
    assert processes_of(marker) == []
    for pidfd in pidfds:
        os.close(pidfd)


@pytest.fixture
def others() -> list[int]:
    """Return the processes that this one has started for other tests, as servers."""
    return children([])


def children(others: Sequence[int]) -> list[int]:
    """Return the processes that this one has started, and that are left."""
    me = os.getpid()
    with open(f"/proc/{me}/task/{me}/children") as file:  # noqa: PTH123
        found = [int(each) for each in file.read().split()]
    return [each for each in found if each not in others]
