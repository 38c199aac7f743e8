"""The parts of a hosted run that decide without a process."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from keyrelay.dispatchers.script.ending import (
    Exited,
    NotStarted,
    OverLimit,
    OverTime,
    RunEnd,
    RunEnding,
    sentence,
)
from keyrelay.dispatchers.script.environment import ScriptContext, environment_of
from keyrelay.dispatchers.script.interpreter import Interpreter, Language, node, python
from keyrelay.dispatchers.script.limits import (
    MIB,
    FileLimits,
    OutputLimits,
    Resource,
    ScriptLimits,
)
from keyrelay.dispatchers.script.output import Printed, readable, split
from keyrelay.dispatchers.script.run import HostedRun, order_of
from keyrelay.dispatchers.script.sandbox import Sandbox, ScriptNetwork, arguments
from keyrelay.dispatchers.script.usage import Usage, over
from keyrelay.dispatchers.script.wall import NoWall, find_wall

LIMITS = ScriptLimits()
A_PYTHON = Interpreter(language=Language.PYTHON, program=Path("/usr/bin/python3"))
A_NODE = Interpreter(
    language=Language.NODE, program=Path("/usr/bin/node"), modules=Path("/opt/modules")
)
A_BOX = Sandbox(trees=(Path("/opt/py"),), disk=MIB)
CANARY = "canary-41d0"
CONTEXT = ScriptContext(
    analysis="an-id",
    token=CANARY,
    pairs=[("smtp", CANARY), ("retries", 3), ("debug", False)],
    scope='[{"variable": "temperature"}]',
    api="http://127.0.0.1:8090",
    events="http://127.0.0.1:8090/events",
)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Exited(0), "The script ended well."),
        (Exited(3), "The script ended with exit code 3."),
        (Exited(137), "The script ended with exit code 137 (ended by SIGKILL)."),
        (Exited(255), "The script ended with exit code 255."),
        (
            OverLimit(Resource.MEMORY, LIMITS.of(Resource.MEMORY)),
            "The script was killed: it used more memory than 256 MiB.",
        ),
        (
            OverTime(timedelta(seconds=1.5)),
            "The script was killed: it ran for longer than 1.5 s.",
        ),
        (NotStarted("x is missing"), "The script was not started: x is missing."),
    ],
)
def test_each_end_is_a_sentence(end: RunEnd, said: str) -> None:
    assert sentence(end) == said


@pytest.mark.parametrize("resource", Resource)
def test_each_limit_can_be_named(resource: Resource) -> None:
    assert LIMITS.of(resource)


def test_the_last_line_says_what_was_used() -> None:
    ending = RunEnding(
        end=Exited(0),
        duration=timedelta(seconds=1.23456),
        peak_memory=3 * MIB,
        last_lines=(),
    )

    assert ending.sentence == "The script ended well. (1.23 s, 3 MiB of memory)"
    assert replace(ending, end=OverTime(timedelta(1))).exit_code is None
    assert replace(ending, end=NotStarted("x")).sentence == sentence(NotStarted("x"))


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        ScriptLimits(wall=timedelta())
    with pytest.raises(ValueError, match="positive"):
        ScriptLimits(memory=0)
    with pytest.raises(ValueError, match="positive"):
        FileLimits(number=0)
    with pytest.raises(ValueError, match="positive"):
        OutputLimits(line=0)


@pytest.mark.parametrize(
    ("usage", "resource"),
    [
        (Usage(tasks=LIMITS.processes), None),
        (Usage(tasks=LIMITS.processes + 1), Resource.PROCESSES),
        (Usage(memory=LIMITS.memory), None),
        (Usage(memory=LIMITS.memory + 1), Resource.MEMORY),
        (Usage(cpu=LIMITS.cpu), None),
        (Usage(cpu=LIMITS.cpu + timedelta(microseconds=1)), Resource.CPU),
        (Usage(files=LIMITS.files.number + 1), Resource.FILES),
        (Usage(disk=LIMITS.files.total), None),
        (Usage(disk=LIMITS.files.total + 1), Resource.DISK),
    ],
)
def test_a_limit_is_passed_by_what_is_beyond_it(
    usage: Usage, resource: Resource | None
) -> None:
    assert over(usage, LIMITS) is resource


@given(some.binary(), some.integers(1, 9))
def test_no_byte_is_lost_between_lines(data: bytes, longest: int) -> None:
    lines, pending = split(data, longest)

    assert b"".join([*lines, pending]) == data.replace(b"\n", b"")
    assert all(len(line) <= longest for line in lines)
    assert len(pending) <= longest


@given(some.lists(some.binary(max_size=9), max_size=9))
def test_lines_do_not_depend_on_how_they_arrive(chunks: list[bytes]) -> None:
    whole, pending = split(b"".join(chunks), 99)

    arrived, rest = list[bytes](), b""
    for chunk in chunks:
        lines, rest = split(rest + chunk, 99)
        arrived += lines

    assert (arrived, rest) == (whole, pending)


@given(some.binary())
def test_every_line_can_be_kept_as_text(line: bytes) -> None:
    assert "\0" not in readable(line).encode().decode()


async def test_a_stream_is_read_no_further_than_its_limit() -> None:
    taken: list[str] = []

    async def take(line: str) -> None:
        taken.append(line)

    source = asyncio.StreamReader()
    source.feed_data(b"line\n" * 50 + b"rest")
    source.feed_eof()
    printed = Printed(OutputLimits(lines=7), take)

    assert await printed.read(source) is Resource.LINES
    assert taken == ["line"] * 7


def test_the_environment_is_the_one_of_the_contract() -> None:
    variables = environment_of(CONTEXT, A_NODE)

    assert json.loads(variables.pop("T_ANALYSIS_ENV")) == [
        {"key": "smtp", "value": CANARY},
        {"key": "retries", "value": 3},
        {"key": "debug", "value": False},
    ]
    assert variables == {
        "T_ANALYSIS_CONTEXT": "tago-io",
        "T_ANALYSIS_TOKEN": CANARY,
        "T_ANALYSIS_ID": "an-id",
        "T_ANALYSIS_DATA": '[{"variable": "temperature"}]',
        "TAGOIO_API": "http://127.0.0.1:8090",
        "TAGOIO_SSE": "http://127.0.0.1:8090/events",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/scratch",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "NODE_PATH": "/opt/modules",
    }


def test_no_secret_is_in_a_repr_or_in_an_argument() -> None:
    run = HostedRun(
        interpreter=A_NODE,
        file_name="a.js",
        content=CANARY.encode(),
        environment=environment_of(CONTEXT, A_NODE),
    )
    order = order_of(run, LIMITS)

    assert CANARY in order["environment"]["T_ANALYSIS_ENV"]
    assert CANARY not in f"{run!r}{CONTEXT!r}{order['command']}"
    assert CANARY not in "".join(arguments(A_BOX, ["x"]))


def test_the_arguments_take_everything_away_first() -> None:
    given = arguments(A_BOX, ["/opt/py/bin/python", "x"])

    assert given[0] == "--unshare-all"
    assert given[-3:] == ["--", "/opt/py/bin/python", "x"]
    for word in ("--unshare-user", "--disable-userns", "--die-with-parent"):
        assert word in given
    assert given[given.index("--cap-drop") + 1] == "ALL"
    assert "--share-net" not in given
    writable = {"--bind", "--bind-try", "--dev-bind-try", "--overlay"}
    assert not writable & {*given}


def test_the_one_directory_that_can_be_written_is_given_by_name() -> None:
    kept = Path("/opt/py/kept")
    given = arguments(replace(A_BOX, kept=kept), ["x"])

    assert given.count("--bind") == 1
    # Behind the read-only tree, which would hide it otherwise.
    assert given.index("--bind") > given.index("/opt/py")
    assert given[given.index("--bind") + 1 :][:2] == [str(kept), str(kept)]


def test_the_network_of_the_host_is_given_by_name_alone() -> None:
    given = arguments(replace(A_BOX, network=ScriptNetwork.HOST), ["x"])

    assert "--share-net" in given
    assert "/etc/resolv.conf" in given


def test_memory_is_limited_as_each_interpreter_bears_it() -> None:
    limits = ScriptLimits(memory=100 * MIB)

    assert A_PYTHON.address_space(limits) == {"RLIMIT_AS": 228 * MIB}
    assert A_NODE.address_space(limits) == {}
    assert A_NODE.command(limits)[1:] == ["--max-old-space-size=75"]


def test_only_what_an_interpreter_needs_is_shown(tmp_path: Path) -> None:
    home = Path.home()

    for found in (python(), python(tmp_path), node(tmp_path)):
        assert found is None or home not in found.trees


def test_a_machine_without_bubblewrap_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoWall, match="apt-get install bubblewrap"):
        find_wall(A_PYTHON, A_PYTHON)
    assert node() is None


def test_a_bubblewrap_that_is_forbidden_is_no_wall(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forbidden = tmp_path / "bwrap"
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(NoWall, match="makes none: bwrap: No permissions"):
        find_wall(A_PYTHON, A_PYTHON)
