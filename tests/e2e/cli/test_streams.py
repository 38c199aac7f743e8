"""Streams: answers on standard output, and any stream, locale or encoding around it."""

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from keyrelay.cli import app, load
from keyrelay.model.job import JobKind
from tests.e2e.cli.definitions import ALLOW, SMTP, mail_action, secret
from tests.installed.consoles import print_lines
from tests.installed.forking import KEYRELAY
from tests.installed.home import Home
from tests.installed.job_process import start_job

# Each command, as one that works here: what it answers is more than nothing.
COMMANDS = (
    "init",
    "worker --drain",
    "worker --drain --json",
    "secret create --file {secret}",
    "secret list",
    "secret list --json",
    "secret show mail",
    "secret uses mail",
    "secret edit mail --tag team=south --json",
    "secret delete spare",
    "secret types",
    "action create --file {action}",
    "action list",
    "action show tell",
    "action preview tell --json",
    "action edit tell --lock",
    "action delete other",
    "action types",
    "analysis create --file {analysis}",
    "analysis upload boiler {script}",
    "analysis list",
    "analysis list --json",
    "analysis show boiler",
    "analysis token boiler",
    "analysis download boiler",
    "analysis run boiler",
    "analysis run boiler --json",
    "analysis runs boiler",
    "analysis runs boiler --json",
    "analysis logs boiler",
    "analysis edit boiler --inactive --json",
    "analysis delete boiler",
    "runtime list",
    "policy create --file {policy}",
    "policy list",
    "policy show allow",
    "policy edit allow --inactive --json",
    "policy explain --action tell --secret mail",
    "policy delete allow",
    "export",
    "apply --file {definitions}",
    "trigger publish --action tell --value 1",
    "trigger publish --file {triggers}",
    "trigger publish --file {triggers} --json",
    "trigger show buried",
    "trigger list",
    "trigger list --json",
    "trigger hold waiting",
    "trigger release waiting",
    "trigger cancel waiting",
    "trigger retry waiting --json",
    "attempt list",
    "attempt show {attempt}",
    "dead-letter list",
    "dead-letter show buried",
    "dead-letter export buried",
    "dead-letter redrive --all",
    "dead-letter drop buried --yes",
    "job list --json",
    "job show {job}",
    "job cancel {job}",
    "audit list",
    "audit show {attempt}",
    "audit verify",
    "token create ci",
    "token create boiler --producer --action tell --json",
    "token list",
    "token revoke spare",
    "profile list",
    "profile create north",
    "profile rename default other",
    "key status --check",
    "restore",
    "definitions accept --all --yes",
    "migrate --plan",
    "copy --to sqlite:///{copy}",
)
# What needs a broker, never ends, or shows itself in tests of its own.
ELSEWHERE = {
    *("topics create", "topics check", "up", "api", "demo"),
    "runtime prepare",
}
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "the locale C": C_LOCALE,
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """`mail` is a secret's id, `attempt` that of the one attempt's record."""

    home: Home
    mail: str
    attempt: str
    job: str


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    home = Home(path=tmp_path_factory.mktemp("prepared") / "home")
    home.run("init")
    mail = home.create_secret("mail", "smtp", SMTP, tag="team=north")
    home.create_secret("spare", "smtp", SMTP)
    for name in ("tell", "other"):
        home.create("action", mail_action(mail, name))
    home.run("trigger", "publish", "--action", "tell", "--id", "buried")
    home.run("worker", "--drain")
    home.run("trigger", "publish", "--action", "tell", "--id", "waiting")
    home.create("policy", {**ALLOW, "name": "allow"})
    home.run("token", "create", "spare")
    home.create("analysis", {"name": "boiler"})
    home.run("analysis", "upload", "boiler", __file__)
    print_lines(home, "boiler", "hello")
    attempts = home.read("attempt", "list")
    assert isinstance(attempts, list)
    job = start_job(home, JobKind.VERIFY)
    return Prepared(home=home, mail=mail, attempt=attempts[0]["id"], job=job)


@pytest.fixture
def home(prepared: Prepared, tmp_path: Path) -> Home:
    return prepared.home.copied(tmp_path / "home")


@pytest.fixture
def screen() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


@pytest.mark.parametrize("line", COMMANDS)
def test_what_a_command_answers_goes_to_standard_output(
    prepared: Prepared,
    home: Home,
    tmp_path: Path,
    screen: tuple[int, int],
    line: str,
) -> None:
    answer = tmp_path / "answer"
    command: list[str | Path] = [KEYRELAY, *_filled(line, prepared, tmp_path)]

    with answer.open("wb") as file:
        shown = _at(screen, command, home, file.fileno())

    lines = answer.read_text().splitlines()
    assert lines, f"nothing was answered; the terminal shows: {shown}"
    assert "\x1b" not in answer.read_text()
    assert [each for each in lines if len(each) > 8 and each in shown] == []


def test_every_command_is_among_them() -> None:
    tried = {" ".join(line.split()[:2]) for line in COMMANDS} | ELSEWHERE
    alone = {line.split()[0] for line in COMMANDS}

    assert [name for name in _command_names() if name not in tried | alone] == []


@pytest.mark.parametrize("no_color", [False, True])
def test_with_no_color_a_terminal_gets_no_escape_codes(
    home: Home, screen: tuple[int, int], *, no_color: bool
) -> None:
    coloured = home.under({"NO_COLOR": "1"} if no_color else {})
    command: list[str | Path] = [KEYRELAY, "secret", "list"]

    shown = _at(screen, command, coloured, screen[1])

    assert "mail" in shown
    assert ("\x1b" in shown) != no_color


@pytest.mark.parametrize("place", ENVIRONMENTS)
@pytest.mark.parametrize(
    "line",
    [
        ("action", "show", "kälte"),
        ("action", "show", b"\xff"),
        ("secret", "show", b"\xff"),
        ("--profile", b"\xff", "secret", "list"),
        ("secret", "list", "--tag", b"a=\xff"),
        ("action", "create", "--file", b"/nowhere/\xff"),
        ("trigger", "publish", "--action", "tell", "--value", b"\xff"),
        ("trigger", "publish", "--action", "tell", "--id", "ü"),
        ("trigger", "show", b"\xff"),
        ("dead-letter", "drop", b"\xff", "--yes"),
        ("secret", "types"),
        ("secret", "--help"),
    ],
)
def test_text_of_any_encoding_ends_in_a_sentence_or_in_an_answer(
    home: Home, place: str, line: Sequence[str | bytes]
) -> None:
    ended = _run(home.under(ENVIRONMENTS[place]), line)

    assert ended.returncode in (0, 1, 2), ended.stderr
    if ended.returncode != 0:
        assert ended.stderr.startswith(b"keyrelay: ")
        assert ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize("line", ["--help", "--version", "secret list", "secret types"])
@pytest.mark.parametrize("redirected", [">&-", ">/dev/full"])
def test_standard_output_that_takes_nothing_ends_in_a_sentence(
    home: Home, line: str, redirected: str
) -> None:
    ended = _in_shell(home, f"{KEYRELAY} {line} {redirected}")

    assert ended.returncode == 3
    assert ended.stderr.startswith(b"keyrelay: ")
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize("redirected", ["<&-", "2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_closed_stream_beside_it_ends_no_command(home: Home, redirected: str) -> None:
    ended = _in_shell(home, f"{KEYRELAY} secret list {redirected}")
    refused = _in_shell(home, f"{KEYRELAY} secret show nothing {redirected}")

    assert (ended.returncode, refused.returncode) == (0, 1)
    assert b"mail" in ended.stdout


def test_a_file_never_takes_the_place_of_a_closed_stream(home: Home) -> None:
    line = f"{KEYRELAY} trigger publish --action tell --id kept >&- 2>&- <&-"

    ended = _in_shell(home, line)

    assert ended.returncode == 3
    assert '"id": "kept"' in home.run("trigger", "show", "kept", "--json")


@pytest.fixture
def _not_under_nohup() -> Iterator[None]:
    """Have what is started be hung up, although the tests may be run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_not_under_nohup")
def test_hanging_up_stops_a_worker_as_sigterm_does(home: Home) -> None:
    with home.running("worker") as worker:
        worker.await_said("worker started")
        worker.send(signal.SIGHUP)
        code = worker.end()

    assert code == 0
    assert worker.count("worker stopped") == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_burial_is_a_warning(home: Home, log_format: str) -> None:
    trigger = f'{{"id": "lost", "action": "{"0" * 24}"}}\n'
    home.run("trigger", "publish", "--file", "-", given=trigger)

    ended = home.under({"KEYRELAY_LOG_FORMAT": log_format}).attempt("worker", "--drain")

    settled = [each for each in ended.err.splitlines() if "attempt settled" in each]
    (line,) = [each for each in settled if "lost" in each]
    assert "warning" in line
    assert "\x1b" not in ended.err


def test_a_worker_under_nohup_outlives_its_terminal(home: Home) -> None:
    ignoring: list[str | Path] = ["nohup", KEYRELAY, "worker"]
    with subprocess.Popen(
        ignoring,
        env=home.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("worker started" in line for line in process.stderr)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()

    assert "SIGTERM" in said
    assert "SIGHUP" not in said


def _filled(line: str, prepared: Prepared, directory: Path) -> list[str]:
    """Return the words of the command, with files that hold what it reads."""
    lines = "".join(f'{{"id": "t{n}", "action": "{"0" * 24}"}}\n' for n in range(600))
    documents: Mapping[str, object] = {
        "secret": secret("new"),
        "action": mail_action(prepared.mail, "new"),
        "analysis": {"name": "new"},
        "script": {"any": "bytes"},
        "policy": {**ALLOW, "name": "new"},
        "definitions": {"policies": [{**ALLOW, "name": "new"}]},
    }
    files = {name: _file(directory / name, each) for name, each in documents.items()}
    (directory / "triggers").write_text(lines)
    places = {"triggers": directory / "triggers", "copy": directory / "copy.db"}
    return line.format(
        attempt=prepared.attempt, job=prepared.job, **files, **places
    ).split()


def _file(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def _command_names() -> Iterator[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name in group.commands:
        command = load(name)
        if isinstance(command, TyperGroup):
            yield from (f"{name} {verb}" for verb in command.commands)
        else:
            yield name


def _at(
    screen: tuple[int, int], command: Sequence[str | Path], home: Home, output: int
) -> str:
    """Run it at the terminal; return what that shows."""
    ours, theirs = screen
    with subprocess.Popen(
        command,
        env={**home.environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=output,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        assert process.wait(60) == 0, shown.decode()
    return shown.decode()


def _read(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], 60)
    assert ready, "nothing came for a minute"
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells the end of a terminal
        return b""


def _run(home: Home, line: Sequence[str | bytes]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [KEYRELAY, *line],
        env=home.environment(),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _in_shell(home: Home, line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", line], env=home.environment(), capture_output=True, check=False
    )
