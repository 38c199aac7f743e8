"""Fixtures: a relay to a sink that takes all it is given."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.faults.many_machines import Place, create_topics, new_place
from tests.faults.relay import Relay, to_mail, to_queue
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql
from tests.sinks import smtp, sqs
from tests.sinks.faults import NO_FAULTS, Faults
from tests.sinks.smtp import Address, SmtpSink
from tests.sinks.sqs import SqsSink


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
def faults() -> Faults:
    return NO_FAULTS


@pytest.fixture
def sink(
    tmp_path: Path, server_certificate: Path, address: Address, faults: Faults
) -> Iterator[SmtpSink]:
    with smtp.running(
        tmp_path / "sink",
        certificate=server_certificate,
        faults=faults,
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


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SqsSink]:
    with sqs.running(tmp_path / "queue") as running:
        yield running


@pytest.fixture
def place(kafka: Kafka, postgresql: PostgreSql) -> Place:
    return new_place(kafka, postgresql)


@pytest.fixture
def shared_relay(tmp_path: Path, queue: SqsSink, place: Place) -> Relay:
    """What workers of many machines share; on this one they share a home, too."""
    relay = to_queue(tmp_path / "home", queue, place.settings)
    create_topics(relay)
    return relay


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line printed at the end, wherever the test ran."""
    return partial(record_property, "told")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        str(value)
        for ended in ("passed", "failed")
        for report in terminalreporter.getreports(ended)
        for name, value in report.user_properties
        if name == "told"
    ]
    if told:
        terminalreporter.section("what came of it")
        for line in told:
            terminalreporter.write_line(line)
