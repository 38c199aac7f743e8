"""Scripts that pry: what is outside of a run, or in another run, is out of reach."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from keyrelay.dispatchers.script.ending import Exited
from keyrelay.dispatchers.script.process import run_script
from keyrelay.dispatchers.script.run import HostedRun
from keyrelay.dispatchers.script.sandbox import ScriptNetwork
from tests.contract.script.hosting import (
    CANARY,
    ROOMY,
    SHORT,
    SMALL,
    Site,
    a_run,
    an_api,
    contained,
    processes_of,
    ran,
    ran_on,
)

pytest_plugins = ["tests.contract.script.script_fixtures"]

# What every process shows of itself, and every file but those of the system.
PRY = """\
import os
for number in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps", "mem"):
        try:
            if int(number) != os.getpid():
                print(number, open(f"/proc/{number}/{name}", "rb").read(2 ** 12))
        except OSError as error:
            print(number, name, error.strerror)
    for name in ("root", "cwd", "fd"):
        try:
            print(number, os.listdir(f"/proc/{number}/{name}"))
        except OSError as error:
            print(number, name, error.strerror)
for top, _, names in os.walk("/"):
    if not top.startswith(("/proc", "/usr", "/etc/ssl", "/etc/alternatives", TREES)):
        print(top, names)
"""


def prying(site: Site, then: str = "") -> HostedRun:
    trees = tuple(str(tree) for tree in site.interpreter.trees) or ("/usr",)
    return a_run(f"TREES = {trees[-1]!r}\n{PRY}{then}", site.interpreter, pairs=())


async def test_a_script_sees_nothing_of_the_worker(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "master.key"
    key.write_text(CANARY)
    monkeypatch.setenv("KEYRELAY_PRY", CANARY)

    result = await ran(prying(site, then=f"open({str(key)!r})"), site)

    assert "No such file or directory" in result.lines.pop()
    assert CANARY not in result.text
    assert "KEYRELAY" not in result.text
    assert "master.key" not in result.text.partition("Traceback")[0]
    assert result.ending.end == Exited(1)


async def test_the_first_process_of_a_sandbox_has_no_environment(site: Site) -> None:
    code = "print(open('/proc/1/environ').read() or 'nothing')"

    result = await contained(code, site)

    assert result.lines[-1] == "nothing" or "Permission denied" in result.lines[-1]


async def test_no_process_of_the_machine_is_seen_or_signalled(site: Site) -> None:
    code = f"""\
        import os, time
        print(sorted(int(each) for each in os.listdir("/proc") if each.isdigit()))
        for number in (1, {os.getpid()}, {os.getppid()}):
            try:
                os.kill(number, 9)
            except OSError as error:
                print(error.strerror)
        if os.fork() == 0:
            time.sleep(1_000)
        os.kill(-1, 9)
        print(os.wait()[1])
    """

    result = await contained(code, site)

    assert result.lines[0] == "[1, 2]"
    assert result.lines[-1] == "9"
    assert result.ending.end == Exited(0)


async def test_two_runs_at_once_see_nothing_of_each_other(site: Site) -> None:
    hidden, pried = asyncio.Event(), asyncio.Event()

    async def hide(line: str) -> None:
        hidden.set()
        await pried.wait()

    victim = a_run(
        f"""\
        for place in ("/tmp/", "/dev/shm/", "/scratch/", ""):
            open(place + "hidden", "w").write("{CANARY}")
        print("hidden")
        """,
        site.interpreter,
    )

    async with asyncio.TaskGroup() as both:
        first = both.create_task(run_script(victim, SMALL, site.host(), hide))
        await hidden.wait()
        second = await ran(prying(site), site)
        pried.set()

    assert first.result().end == Exited(0)
    assert second.ending.end == Exited(0)
    assert CANARY not in second.text
    assert "hidden" not in second.text


async def test_a_listener_on_the_loopback_of_the_machine_is_out_of_reach(
    site: Site,
) -> None:
    name = f"keyrelay-{secrets.token_hex(4)}"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        port = listener.getsockname()[1]
        code = f"""\
            import socket
            for family, address in (
                (socket.AF_INET, ("127.0.0.1", {port})),
                (socket.AF_INET, ("169.254.169.254", 80)),
                (socket.AF_INET, ("192.0.2.1", 80)),
                (socket.AF_UNIX, "\\0{name}"),
            ):
                try:
                    socket.socket(family).connect(address)
                    print("connected", address)
                except OSError as error:
                    print(error.strerror)
        """

        result = await contained(code, site)

    assert result.ending.end == Exited(0)
    assert "connected" not in result.text


async def test_the_api_is_reached_at_its_address_in_the_environment(site: Site) -> None:
    code = """\
        import os
        from concurrent.futures import ThreadPoolExecutor
        from urllib.request import urlopen
        def ask(_):
            return urlopen(os.environ["TAGOIO_API"] + "/info").read()
        with ThreadPoolExecutor(8) as threads:
            print(sum(map(len, threads.map(ask, range(40)))))
    """
    async with an_api(b"x" * 100_000) as dial:
        run = a_run(code, site.interpreter)
        result = await ran_on(run, site.host(dial), ROOMY)

    assert result.lines == ["4000000"]


async def test_an_api_that_is_gone_closes_the_connection(site: Site) -> None:
    code = """\
        import http.client, os
        from urllib.request import urlopen
        try:
            urlopen(os.environ["TAGOIO_API"])
        except (OSError, http.client.HTTPException) as error:
            print("closed")
    """

    result = await contained(code, site)

    assert result.lines == ["closed"]


async def test_the_network_of_the_machine_is_there_where_it_is_given(
    site: Site,
) -> None:
    code = """\
        import sys
        from urllib.request import urlopen
        print(urlopen("http://localhost:{port}").read().decode())
    """
    async with an_api(b"reached") as dial:
        run = a_run(code.replace("{port}", str(dial.port)), site.interpreter)
        host = replace(site.host(), network=ScriptNetwork.HOST)
        result = await ran_on(run, host, ROOMY)

    assert result.lines == ["reached"]


async def test_nothing_but_the_scratch_directory_can_be_written(site: Site) -> None:
    code = """\
        import os
        tried = ["/x", "/etc/x", "/usr/x", "/dev/x", "/proc/sysrq-trigger"]
        for top, _, names in os.walk("/proc/sys"):
            tried += [os.path.join(top, name) for name in names]
        for path in [*tried, "/proc/self/oom_score_adj"]:
            try:
                open(path, "r+b").close()
                print("open", path)
            except OSError:
                pass
            try:
                open(path, "xb").close()
                print("made", path)
            except OSError:
                pass
        print(len(tried) > 100)
    """

    result = await contained(code, site)

    assert result.lines == ["True"]


async def test_a_script_has_no_privilege_and_gets_none(site: Site) -> None:
    code = """\
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000):
            print(libc.unshare(flag))
        print(libc.mount(b"none", b"/scratch", b"tmpfs", 0, None))
        print(os.getuid(), os.getgroups() in ([], [1000], [65534], [1000, 65534]))
        status = open("/proc/self/status").read()
        for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs"):
            print(name, status.partition(name + ":")[2].split()[0].lstrip("0"))
    """

    result = await contained(code, site)

    assert result.lines[:5] == ["-1"] * 5
    assert result.lines[5].startswith("1000")
    assert result.lines[6:] == ["CapEff ", "CapPrm ", "CapBnd ", "NoNewPrivs 1"]


async def test_a_script_yields_the_processors_to_keyrelay(site: Site) -> None:
    code = """\
        import os, pathlib
        session = pathlib.Path("/proc/self/autogroup")
        print(os.nice(0), *session.read_text().split()[1:] if session.exists() else ())
    """
    result = await contained(code, site)

    nicest = min(os.nice(0) + 10, 19)
    shared = [f"{nicest} nice 10"] if sessions_share() else [f"{nicest}"]
    assert result.lines == shared


def sessions_share() -> bool:
    """Tell whether Linux shares the processors between sessions first.

    A new session is asked: ours may be the first of all, which has no such group.
    """
    asked = subprocess.run(
        ["cat", "/proc/self/autogroup"],
        start_new_session=True,
        capture_output=True,
        check=False,
    )
    return asked.stdout != b""


async def test_memory_that_is_counted_nowhere_is_refused(site: Site) -> None:
    code = """\
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for call in (libc.shmget, libc.msgget, libc.semget):
            print(call(0, 4096, 0o1600), os.strerror(ctypes.get_errno()))
        os.memfd_create("large")
    """

    result = await contained(code, site)

    assert result.lines[:3] == ["-1 Operation not permitted"] * 3
    assert "Operation not permitted" in result.lines[-1]


async def test_a_process_cannot_be_traced_and_unusual_sockets_not_be_made(
    site: Site,
) -> None:
    code = """\
        import ctypes, os, socket
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.ptrace(16, 1, 0, 0))
        for family in (socket.AF_PACKET, socket.AF_VSOCK, socket.AF_ALG):
            try:
                socket.socket(family, socket.SOCK_SEQPACKET)
            except OSError as error:
                print(error.strerror)
        print(len([socket.socket(socket.AF_INET6), socket.socket(socket.AF_UNIX)]))
    """

    result = await contained(code, site)

    assert result.lines == [
        "-1",
        *["Address family not supported by protocol"] * 3,
        "2",
    ]


async def test_a_script_has_the_given_variables_and_no_other(site: Site) -> None:
    run = a_run(
        "import json, os\nprint(json.dumps(dict(os.environ)))", site.interpreter
    )

    result = await ran(run, site)

    assert json.loads(result.lines[0]) == run.environment


async def test_a_secret_is_in_no_command_line_of_the_machine(site: Site) -> None:
    marker = f"secretive-{secrets.token_hex(8)}"
    found: list[list[int]] = []

    async def look(line: str) -> None:
        found.append([*map(len, map(processes_of, (marker, CANARY)))])

    run = a_run(
        "import time\nprint()\ntime.sleep(1_000)", site.interpreter, name=f"{marker}.py"
    )
    await run_script(run, SHORT, site.host(), look)

    assert found[0] == [1, 0]


async def test_standard_input_is_at_its_end(site: Site) -> None:
    result = await ran(
        a_run("import sys\nprint(repr(sys.stdin.read()))", site.interpreter), site
    )

    assert result.lines == ["''"]
