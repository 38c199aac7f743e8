"""Compose takes the compose file; what it starts is held short, and fits together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from keyrelay.api.listening import listening
from keyrelay.app.settings_loading import load_settings
from keyrelay.sources.kafka.connecting.address import parse_address
from tests.e2e.deploy.chart import Document
from tests.services.compose import Compose

FILE = Path(__file__).parents[3] / "deploy" / "compose.yaml"
OURS = {"api", "keyrelay", "prepare", "worker"}
ONCE = {"files", "prepare"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """All services, those of both variants."""

    services: dict[str, Document]

    def ours(self) -> Iterator[Document]:
        for name in sorted(OURS):
            yield self.services[name]


@pytest.fixture(scope="session")
def stack(compose: Compose) -> Stack:
    return Stack(services=yaml.safe_load(compose.config(FILE))["services"])


def test_both_variants_are_there(stack: Stack) -> None:
    profiles = {name: each.get("profiles") for name, each in stack.services.items()}

    assert profiles == {
        **dict.fromkeys(("prepare", "worker", "api", "kafka", "database")),
        **dict.fromkeys(("mail", "mailhog", "localstack", "files")),
        "keyrelay": ["one-machine"],
    }
    assert stack.services["worker"]["deploy"]["replicas"] == 2


def test_keyrelay_runs_with_no_rights_on_a_disk_it_cannot_write(stack: Stack) -> None:
    for service in stack.ours():
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["ulimits"]["core"] == 0


def test_nobody_gains_rights(stack: Stack) -> None:
    for service in stack.services.values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid"}


def test_what_is_published_is_published_to_this_machine_alone(stack: Stack) -> None:
    for service in stack.services.values():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:")


def test_passwords_stand_in_files(stack: Stack) -> None:
    for service in stack.services.values():
        for name, value in service.get("environment", {}).items():
            if "PASS" in name:
                assert name.endswith("FILE")
                assert str(value).startswith("/")


def test_images_are_of_a_version(stack: Stack) -> None:
    for name, service in stack.services.items():
        version = service["image"].partition(":")[2]
        assert (version != "latest" and version) or name in OURS


def test_what_stays_up_is_watched_or_waited_for(stack: Stack) -> None:
    for name in stack.services.keys() - ONCE - {"keyrelay"}:
        assert stack.services[name]["healthcheck"]["test"], name


def test_workers_and_api_start_when_all_is_prepared(stack: Stack) -> None:
    prepare = stack.services["prepare"]

    for name in ("worker", "api"):
        after = stack.services[name]["depends_on"]["prepare"]
        assert after["condition"] == "service_completed_successfully"
    assert prepare["depends_on"]["database"]["condition"] == "service_healthy"
    assert prepare["depends_on"]["kafka"]["condition"] == "service_healthy"
    assert prepare["entrypoint"][-1].split("\n") == [
        "keyrelay migrate --yes",
        "keyrelay topics create --yes --replication 1",
        "keyrelay init --no-token",
        "",
    ]


def test_the_settings_make_sense(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in stack.ours():
        with monkeypatch.context() as environment:
            for name, value in service["environment"].items():
                environment.setenv(name, str(value))
            settings = load_settings(None, {})

        grace = timedelta(seconds=settings.grace_seconds)
        if "stop_grace_period" in service:
            patience = service["stop_grace_period"].removesuffix("s")
            assert timedelta(seconds=int(patience)) >= grace + timedelta(seconds=10)


@pytest.mark.parametrize("name", ["api", "keyrelay"])
def test_the_api_is_reached_where_its_url_says(
    stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = stack.services[name]
    for setting, value in service["environment"].items():
        monkeypatch.setenv(setting, str(value))
    settings = load_settings(None, {})
    found = listening(settings)

    (port,) = service["ports"]
    published, _, target = port.removesuffix("/tcp").rpartition(":")
    assert found is not None
    assert settings.public_url == f"http://{published}"
    assert int(target) == found.port


def test_workers_are_led_to_the_broker_and_watched_where_they_answer(
    stack: Stack,
) -> None:
    worker, kafka = stack.services["worker"], stack.services["kafka"]
    (broker,) = parse_address(worker["environment"]["KEYRELAY_QUEUE"]).brokers
    _, _, port = worker["environment"]["KEYRELAY_PROBES"].rpartition(":")

    advertised = kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"RELAY://{broker}" in advertised
    assert f"http://127.0.0.1:{port}/readyz" in worker["healthcheck"]["test"][-1]
