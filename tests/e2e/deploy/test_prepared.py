"""What the compose file prepares and starts, done here, by the same words."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.installed.home import Home
from tests.services import deadline, loopback
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql

COMPOSED = yaml.safe_load(
    (Path(__file__).parents[3] / "deploy" / "compose.yaml").read_text()
)["services"]
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


def test_what_is_prepared_is_enough_for_a_worker_to_be_ready(home: Home) -> None:
    for _ in range(2):  # as for a new version, where all is there already
        for line in PREPARING:
            command, *arguments = shlex.split(line)
            assert command == "keyrelay"
            home.run(*arguments)
    port = home.settings["KEYRELAY_PROBES"].rpartition(":")[2]
    probe = COMPOSED["worker"]["healthcheck"]["test"][-1].replace("9464", port)

    with home.running(*COMPOSED["worker"]["command"]) as worker:
        deadline.met(
            lambda: succeeds(probe) or worker.process.poll() is not None, WITHIN
        )

        assert succeeds(probe), worker.said


def succeeds(python: str) -> bool:
    command = [sys.executable, "-c", python]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
