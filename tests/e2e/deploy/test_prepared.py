"""What the compose file prepares and starts, done here, by the same words."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.e2e.deploy.chart import Document
from tests.installed.command import Command
from tests.installed.home import Home
from tests.services import deadline, loopback
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql

COMPOSED = yaml.safe_load(
    (Path(__file__).parents[3] / "deploy" / "compose.yaml").read_text()
)["services"]
UNIT = (Path(__file__).parents[3] / "deploy" / "keyrelay.service").read_text()
ONE_MACHINE: Mapping[str, Sequence[str]] = {
    "compose": COMPOSED["keyrelay"]["entrypoint"][-1]
    .replace("exec ", "")
    .split(" && "),
    "systemd": re.findall(r"^ExecStart(?:Pre)?=-?(.+)$", UNIT, re.M),
}
ANY_ADDRESS = {"KEYRELAY_API": "127.0.0.1:0"}
NO_PROBES = {"KEYRELAY_PROBES": "off"}
# Each kind of token, which model/token.py draws.
TOKEN = re.compile(r"\b[apto]-[0-9A-Za-z_-]{30,}")
WITHIN = timedelta(seconds=60)
PREPARING: Sequence[str] = COMPOSED["prepare"]["entrypoint"][-1].splitlines()


@pytest.fixture
def home(kafka: Kafka, postgresql: PostgreSql, ca_file: Path, tmp_path: Path) -> Home:
    """Where a worker of the compose file would be, but for the places."""
    places = {
        "KEYRELAY_DATABASE": postgresql.url(postgresql.create()),
        "KEYRELAY_QUEUE": f"kafka://{kafka.bootstrap}?topic=composed",
        "KEYRELAY_SMTP_CA_FILE": str(ca_file),
        "KEYRELAY_PROBES": f"{loopback.HOST}:{loopback.free_port()}",
    }
    settings = COMPOSED["worker"]["environment"] | places
    return Home(path=tmp_path / "home", settings=settings)


def test_what_is_prepared_is_enough_and_no_log_of_it_holds_a_token(
    home: Home,
) -> None:
    logs = []
    for _ in range(2):  # as for a new version, where all is there already
        for line in PREPARING:
            command, *arguments = shlex.split(line)
            assert command == "keyrelay"
            ended = home.attempt(*arguments)
            assert ended.code == 0
            logs.append(ended.said)

    for name in ("worker", "api"):
        service = COMPOSED[name]
        with home.under(ANY_ADDRESS).running(*service["command"]) as process:
            await_ready(service, home, process)
            process.send(signal.SIGTERM)
            process.end()
        logs += process.said

    assert "api started" in "".join(logs)
    assert TOKEN.findall("".join(logs)) == []


@pytest.mark.parametrize("lines", ["compose", "systemd"])
def test_what_runs_on_one_machine_prints_no_token_into_its_log(
    tmp_path: Path, lines: str
) -> None:
    home = Home(path=tmp_path / "home", settings=ANY_ADDRESS | NO_PROBES)
    *before, last = ONE_MACHINE[lines]

    logs = [home.attempt(*shlex.split(each)[1:]).said for each in before]
    with home.running(*shlex.split(last)[1:]) as process:
        process.await_said("worker started")
        process.send(signal.SIGTERM)
        process.end()
    logs += process.said

    assert "api started" in "".join(logs)
    assert home.read("token", "list") == []
    assert TOKEN.findall("".join(logs)) == []


def test_a_token_is_found_where_one_is_printed(tmp_path: Path) -> None:
    home = Home(path=tmp_path / "home")

    assert len(TOKEN.findall(home.attempt("init").said)) == 1


def await_ready(service: Document, home: Home, process: Command) -> None:
    """Return once the service's own health check succeeds."""
    port = home.settings["KEYRELAY_PROBES"].rpartition(":")[2]
    probe = service["healthcheck"]["test"][-1].replace("9464", port)
    deadline.met(lambda: succeeds(probe) or process.process.poll() is not None, WITHIN)
    assert succeeds(probe), process.said


def succeeds(python: str) -> bool:
    command = [sys.executable, "-c", python]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
