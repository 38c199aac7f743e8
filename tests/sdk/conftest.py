"""Fixtures: the API as a process, and both of TagoIO's clients pointed at it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.faults.many_machines import new_place
from tests.installed.api import answering
from tests.installed.home import Home
from tests.sdk.client import Sdk, javascript, python, running
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql

# What `make faces` sets: else all of it runs on the embedded parts.
MANY_MACHINES = "KEYRELAY_TEST_MANY_MACHINES"
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    home: Home
    url: str

    def new_token(self, permission: str = "full", profile: str | None = None) -> str:
        """Make a profile, where none is given, and a token of it."""
        if profile is None:
            profile = f"profile-{next(_NUMBERS)}"
            self.home.run("profile", "create", profile)
        return self.home.run(
            *("--profile", profile, "token", "create", f"token-{next(_NUMBERS)}"),
            *("--permission", permission),
        ).strip()


NewParts = Callable[[], Mapping[str, str]]


@pytest.fixture(scope="session")
def new_parts(request: pytest.FixtureRequest) -> NewParts:
    """Return the settings of parts that no other installation uses."""
    if MANY_MACHINES not in os.environ:
        return dict
    kafka: Kafka = request.getfixturevalue("kafka")
    postgresql: PostgreSql = request.getfixturevalue("postgresql")
    return lambda: new_place(kafka, postgresql).settings


def home_on(path: Path, settings: Mapping[str, str]) -> Home:
    """Set up a new home, with the topics that it needs."""
    home = Home(path=path, settings=settings)
    home.run("init")
    if settings.get("KEYRELAY_QUEUE", "").startswith("kafka:"):
        home.run("topics", "create", "--replication", "1", "--yes")
    return home


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory, new_parts: NewParts
) -> Iterator[Served]:
    home = home_on(tmp_path_factory.mktemp("api") / "home", new_parts())
    with answering(home) as api:
        yield Served(home=home, url=api.url)


def sdk_command(name: str, request: pytest.FixtureRequest) -> Sequence[str | Path]:
    if name == "python":
        return python()
    return javascript(request.getfixturevalue("javascript_sdk"))


@pytest.fixture(scope="session", params=["python", "javascript"])
def client(request: pytest.FixtureRequest, served: Served) -> Iterator[Sdk]:
    """Either client, without a token."""
    with running(sdk_command(request.param, request), served.url) as process:
        yield Sdk(name=request.param, process=process, token="")


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    """A full token of a profile that is the module's own."""
    return served.new_token()


@pytest.fixture
def sdk(client: Sdk, token: str) -> Sdk:
    return client.bearing(token)


@pytest.fixture
def mark() -> str:
    """A word that nothing else in the profile is named with."""
    return f"mark{next(_NUMBERS)}"
