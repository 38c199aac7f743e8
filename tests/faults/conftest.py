"""Fixtures: a relay to a sink that takes all it is given."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.relay import Relay, to_mail
from tests.sinks import smtp
from tests.sinks.smtp import Address, SmtpSink
from tests.sinks.temper import EVEN, Temper


@pytest.fixture(scope="session")
def address() -> Address:
    """Where every sink of these tests is found, one after the other."""
    return smtp.new_address()


@pytest.fixture(scope="session")
def original(
    tmp_path_factory: pytest.TempPathFactory, address: Address, ca_file: Path
) -> Relay:
    """What the tests work with copies of: its commands take a second each."""
    return to_mail(tmp_path_factory.mktemp("original") / "home", address, ca_file)


@pytest.fixture
def temper() -> Temper:
    return EVEN


@pytest.fixture
def sink(
    tmp_path: Path, server_certificate: Path, address: Address, temper: Temper
) -> Iterator[SmtpSink]:
    with smtp.running(
        tmp_path / "sink",
        certificate=server_certificate,
        temper=temper,
        address=address,
    ) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the relay lives."""
    return tmp_path


@pytest.fixture
def settings() -> Mapping[str, str]:
    """Short leases: what a dead worker held is soon somebody else's."""
    return {"KEYRELAY_LEASE_SECONDS": "0.5"}


@pytest.fixture
def relay(
    original: Relay, sink: SmtpSink, folder: Path, settings: Mapping[str, str]
) -> Relay:
    """Use after its sink: by the time it is here, the sink can be reached."""
    return original.copied(folder / "home", settings)
