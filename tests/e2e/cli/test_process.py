"""Process: what needs a process of its own: signals, pipes, terminals, imports."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.cli.command import Keyrelay
from tests.e2e.cli.definitions import CANARY, create_action, create_secret

COMMAND = (sys.executable, "-m", "keyrelay")
CRASH = f"""
import keyrelay.cli.refusals as refusals, keyrelay.cli as cli, sys
def broken():
    raise KeyError("{CANARY}")
refusals.foreseen = broken
sys.argv = ["keyrelay", "secret", "list"]
cli.run()
"""


@pytest.fixture
def environment(keyrelay: Keyrelay) -> dict[str, str]:
    source = Path(__file__).parents[3] / "src"
    return os.environ | {
        "KEYRELAY_HOME": str(keyrelay.home),
        "KEYRELAY_API": "127.0.0.1:0",
        "PYTHONPATH": str(source),
    }


@pytest.fixture
def up(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A worker that has started."""
    with subprocess.Popen(
        [*COMMAND, "up"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            # Before that, it may say that another worker has the probes' address.
            assert any("worker started" in line for line in process.stderr)
            yield process
        finally:
            process.kill()


def run(
    arguments: Sequence[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, env=environment, capture_output=True, text=True, check=False
    )


def test_a_crash_is_reported_without_the_exceptions_message(
    environment: dict[str, str],
) -> None:
    ended = run([sys.executable, "-c", CRASH], environment)

    assert ended.returncode == 70
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "KeyError" in ended.stderr
    assert " broken" in ended.stderr
    assert CANARY not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_worker_cleanly(
    up: subprocess.Popen[str], number: signal.Signals
) -> None:
    up.send_signal(number)

    _, err = up.communicate()
    assert up.returncode == 0
    assert "stopping" in err
    assert "worker stopped" in err


@pytest.mark.skipif(sys.platform != "linux", reason="what it looks at is Linux's")
def test_a_command_leaves_no_core_file(up: subprocess.Popen[str]) -> None:
    process = Path(f"/proc/{up.pid}")

    limits = (process / "limits").read_text()

    assert [
        line.split()[4:6] for line in limits.splitlines() if "core file" in line
    ] == [["0", "0"]]


def test_a_closed_pipe_ends_publishing_quietly(
    keyrelay: Keyrelay, environment: dict[str, str]
) -> None:
    file = keyrelay.write(
        "many.jsonl",
        "".join(f'{{"id": "t{n}", "action": "{"0" * 24}"}}\n' for n in range(5000)),
    )
    publishing = [*COMMAND, "trigger", "publish", "--file", str(file), "--json"]

    with subprocess.Popen(
        publishing,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()

    assert '"t0"' in first
    assert process.returncode == 141
    assert err.startswith("accepted ")
    assert len(err.splitlines()) == 1


def test_a_password_is_asked_for_and_not_echoed(
    keyrelay: Keyrelay, environment: dict[str, str]
) -> None:
    named = ["--key", "mail", "--type", "smtp", "--tag", "team=north"]
    answers = ["mail.example.com", "", "relay", CANARY]

    screen, code = at_a_terminal(
        [*COMMAND, "secret", "create", *named], environment, answers
    )

    assert code == 0, screen
    assert CANARY not in screen
    assert "password" in screen
    shown = keyrelay("secret", "show", "mail", "--json").document
    assert shown["type"] == "smtp"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["mail.example.com", "465"], "smtp_port must be 587; KEYRELAY_SMTP_PORTS"),
        (["smtps://mail.example.com"], "not a URL"),
    ],
)
def test_no_password_is_asked_for_where_it_could_not_be_used(
    environment: dict[str, str], answers: list[str], reason: str
) -> None:
    named = ["--key", "mail", "--type", "smtp", "--tag", "team=north"]

    screen, code = at_a_terminal(
        [*COMMAND, "secret", "create", *named], environment, answers
    )

    assert code == 1
    assert reason in screen
    assert "password" not in screen


@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzE"])
def test_a_field_that_is_optional_may_be_left_empty(
    keyrelay: Keyrelay, environment: dict[str, str], token: str
) -> None:
    named = ["--key", "orders", "--type", "aws-sqs", "--tag", "team=north"]
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
    answers = ["eu-central-1", url, "AKIAEXAMPLE", CANARY, token]

    screen, code = at_a_terminal(
        [*COMMAND, "secret", "create", *named], environment, answers
    )

    assert code == 0, screen
    assert "session_token (may be left empty)" in screen
    length = keyrelay("secret", "show", "orders", "--json").document["value_length"]
    names = ("aws_region", "queue_url", "access_key_id", "secret_access_key")
    value = dict(zip((*names, "session_token"), answers, strict=True))
    kept = {name: text for name, text in value.items() if text}
    assert length == len(json.dumps(kept))


def test_a_prompt_that_is_interrupted_ends_quietly(
    environment: dict[str, str],
) -> None:
    named = ["--key", "token", "--tag", "team=north"]

    screen, code = at_a_terminal(
        [*COMMAND, "secret", "create", *named], environment, ["\x03"]
    )

    assert code == 130
    assert "Traceback" not in screen
    assert "Aborted" not in screen


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1)])
def test_dropping_is_confirmed_at_the_terminal(
    keyrelay: Keyrelay, environment: dict[str, str], answer: str, left: int
) -> None:
    create_action(keyrelay, create_secret(keyrelay))
    keyrelay("trigger", "publish", "--action", "tell")
    keyrelay("worker", "--drain")

    _, code = at_a_terminal(
        [*COMMAND, "dead-letter", "drop", "--all"], environment, [answer]
    )

    assert code == left
    assert len(keyrelay("dead-letter", "list", "--json").documents) == left


def at_a_terminal(
    command: Sequence[str], environment: dict[str, str], answers: Sequence[str]
) -> tuple[str, int]:
    """Answer each question when it is asked; return what the screen showed."""
    ours, theirs = pty.openpty()
    screen = bytearray()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    ) as process:
        os.close(theirs)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        for answer in answers:
            answered = len(screen)
            # The prompt ends with a space: from then on, typing is not echoed.
            while not screen[answered:].endswith(b": "):
                screen += os.read(ours, 1024)
            os.write(ours, answer.encode() + (b"" if answer == "\x03" else b"\n"))
        try:
            while chunk := os.read(ours, 1024):
                screen += chunk
        except OSError:  # how Linux tells the end of a terminal
            pass
        watchdog.cancel()
    os.close(ours)
    return screen.decode(), process.returncode


def _take_terminal() -> None:

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
