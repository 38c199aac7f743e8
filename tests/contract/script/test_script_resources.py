"""Scripts that use too much: each is stopped, and told in a sentence."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.dispatchers.script.ending import Exited, OverLimit, OverTime
from keyrelay.dispatchers.script.limits import Resource
from tests.contract.script.hosting import SHORT, SMALL, Ran, Site, contained

pytest_plugins = ["tests.contract.script.script_fixtures"]


def over(ran: Ran) -> Resource | None:
    return ran.ending.end.resource if isinstance(ran.ending.end, OverLimit) else None


async def test_a_script_that_loops_for_ever_is_killed_in_time(site: Site) -> None:
    ran = await contained("while True: pass", site, SHORT)

    assert ran.ending.end == OverTime(timedelta(seconds=1))
    assert "ran for longer than 1 s" in ran.ending.sentence


async def test_a_script_that_ignores_every_signal_is_killed_in_time(site: Site) -> None:
    code = """\
        import signal, time
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        time.sleep(1_000)
    """

    ran = await contained(code, site, SHORT)

    assert ran.ending.end == OverTime(timedelta(seconds=1))


async def test_processor_time_of_all_children_counts(site: Site) -> None:
    limits = replace(SMALL, cpu=timedelta(milliseconds=500))
    code = """\
        import os
        for _ in range(2):
            os.fork()
        while True: pass
    """

    ran = await contained(code, site, limits)

    assert over(ran) is Resource.CPU
    assert "more processor time than 0.5 s" in ran.ending.sentence


@pytest.mark.parametrize(
    "code",
    [
        "kept = []\nwhile True: kept.append(bytearray(2 ** 20))",
        """\
        import mmap
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 2 ** 20))
            kept[-1].write(bytes(2 ** 20))
        """,
        """\
        import os, time
        for _ in range(4):
            if os.fork() == 0: break
        kept = bytearray(os.urandom(2 ** 20)) * 30
        time.sleep(1_000)
        """,
    ],
    ids=["of its own", "shared", "of several processes"],
)
async def test_a_script_that_eats_memory_is_killed(site: Site, code: str) -> None:
    ran = await contained(code, site)

    assert over(ran) is Resource.MEMORY
    assert ran.ending.peak_memory > SMALL.memory


async def test_memory_that_is_asked_for_at_once_is_refused(site: Site) -> None:
    ran = await contained("bytearray(2 ** 34)", site)

    assert ran.ending.end == Exited(1)
    assert ran.lines[-1] == "MemoryError"


@pytest.mark.parametrize(
    ("code", "resource"),
    [
        ("for _ in range(2 ** 10): print('x' * 2 ** 20)", Resource.OUTPUT),
        (
            "import sys\nfor _ in range(2 ** 10): sys.stderr.write('x' * 2 ** 20)",
            Resource.OUTPUT,
        ),
        ("for _ in range(2 ** 30): print()", Resource.LINES),
    ],
    ids=["a gigabyte", "one line of a gigabyte", "a billion lines"],
)
async def test_a_script_that_prints_without_end_is_killed(
    site: Site, code: str, resource: Resource
) -> None:
    ran = await contained(code, site)

    assert over(ran) is resource
    assert len(ran.text) < SMALL.output.size + 2**16
    assert len(ran.lines) <= SMALL.output.lines


async def test_a_file_grows_no_further_than_its_limit(site: Site) -> None:
    ran = await contained("open('large', 'wb').write(bytes(2 ** 24))", site)

    assert ran.ending.end == Exited(1)
    assert "File too large" in ran.lines[-1]


async def test_a_program_that_is_stopped_for_a_large_file_is_told(site: Site) -> None:
    code = """\
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        open("large", "wb").write(bytes(2 ** 24))
    """

    ran = await contained(code, site)

    assert over(ran) is Resource.FILE_SIZE
    assert "more space for one file than 2 MiB" in ran.ending.sentence


@pytest.mark.parametrize("place", ["", "/tmp/", "/dev/shm/", "/scratch/"])  # noqa: S108
async def test_a_script_that_fills_the_disk_is_killed(site: Site, place: str) -> None:
    code = """\
        number = 0
        while True:
            number += 1
            with open(f"{place}{{number}}", "wb") as file:
                file.write(bytes(2 ** 20))
    """

    ran = await contained(code, site, place=place)

    assert over(ran) is Resource.DISK


@pytest.mark.parametrize(
    "make",
    [
        "open(str(number), 'x').close()",
        "os.mkdir(str(number))",
        "os.mkfifo(str(number))",
    ],
    ids=["files", "directories", "pipes"],
)
async def test_a_script_that_makes_thousands_of_files_is_killed(
    site: Site, make: str
) -> None:
    code = "import os\nfor number in range(2 ** 20): " + make

    ran = await contained(code, site)

    assert over(ran) is Resource.FILES


@pytest.mark.parametrize(
    "code",
    [
        """\
        import os, time
        for _ in range(2_048):
            if os.fork() == 0:
                time.sleep(1_000)
        """,
        """\
        import os, time
        for _ in range(11):
            os.fork()
        time.sleep(1_000)
        """,
        """\
        import threading, time
        threading.stack_size(2 ** 16)
        for _ in range(2_048):
            threading.Thread(target=time.sleep, args=(1_000,), daemon=True).start()
        """,
    ],
    ids=["children", "children of children", "threads"],
)
async def test_a_script_that_forks_too_often_is_stopped(site: Site, code: str) -> None:
    limits = replace(SHORT, memory=2**30)  # what children share counts for each

    ran = await contained(code, site, limits)

    # The kernel refuses a user that is not root the one that is too many. What then
    # stands and waits is killed in time.
    by_kernel = site.wall.own_users or os.geteuid() != 0
    stopped = over(ran) is Resource.PROCESSES
    assert stopped or (by_kernel and ran.ending.end != Exited(0))
