"""The systemd unit: a worker with few rights, and with time to finish."""

from collections.abc import Mapping
from configparser import RawConfigParser
from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.app.settings import Settings
from keyrelay.cli.exits import ExitCode

DEPLOY = Path(__file__).parents[3] / "deploy"
UNIT = DEPLOY / "keyrelay.service"


@pytest.fixture(scope="module")
def service() -> Mapping[str, str]:
    unit = RawConfigParser()
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def test_a_stopping_worker_has_longer_than_its_grace(
    service: Mapping[str, str],
) -> None:
    grace = timedelta(seconds=Settings.model_fields["grace_seconds"].default)

    patience = timedelta(seconds=int(service["TimeoutStopSec"]))
    assert patience >= grace + timedelta(seconds=10)


def test_it_has_no_rights_and_gains_none(service: Mapping[str, str]) -> None:
    assert service["User"] == "keyrelay"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["ProtectHome"] == "yes"


def test_its_files_are_its_own_and_no_core_is_left(
    service: Mapping[str, str],
) -> None:
    assert service["UMask"] == "0077"
    assert service["StateDirectoryMode"] == "0700"
    assert service["LimitCORE"] == "0"
    home = f"KEYRELAY_HOME=/var/lib/{service['StateDirectory']}"
    assert home in service["Environment"].split()


def test_it_is_set_up_before_its_first_start(service: Mapping[str, str]) -> None:
    users = (DEPLOY / "keyrelay.sysusers").read_text()

    assert service["ExecStartPre"].lstrip("-").endswith("/keyrelay init --no-token")
    assert f"u {service['User']} " in users


def test_it_is_not_restarted_where_only_a_person_can_help(
    service: Mapping[str, str],
) -> None:
    final = {int(code) for code in service["RestartPreventExitStatus"].split()}

    assert service["Restart"] == "on-failure"
    assert final == {ExitCode.REFUSED, ExitCode.USAGE, ExitCode.BROKEN}
