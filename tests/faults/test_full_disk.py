"""Full disk: work stops, loudly, and goes on by itself; nothing is lost."""

import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults import disks
from tests.faults.disks import Disk
from tests.faults.reckoning import reckon
from tests.faults.relay import Relay
from tests.sinks.ledger import Ledger, TooFew
from tests.sinks.smtp import SmtpSink

LANES = 8
LEASE = timedelta(seconds=2)
WITHIN = timedelta(seconds=60)
IDS = [f"t{number}" for number in range(800)]
MORE_THAN_FIT = 8000
STOPPED = "work is stopped"


def ways() -> list[Callable[[Path], AbstractContextManager[Disk]]]:
    """Return every way to fill a disk that this machine lets us have."""
    with tempfile.TemporaryDirectory() as folder:
        can_mount = disks.can_mount(Path(folder) / "disk")
    return [disks.limited, *([disks.mounted] if can_mount else [])]


@pytest.fixture(params=ways(), ids=lambda way: way.__name__)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with request.param(tmp_path / "disk") as way:
        yield way


@pytest.fixture
def folder(disk: Disk) -> Path:
    return disk.folder


@pytest.fixture
def settings() -> Mapping[str, str]:
    return {"KEYRELAY_LANES": str(LANES), "KEYRELAY_LEASE_SECONDS": str(LEASE.seconds)}


def test_work_stops_while_the_disk_is_full_and_goes_on_by_itself(
    relay: Relay, sink: SmtpSink, disk: Disk
) -> None:
    relay.publish(IDS)

    with relay.home.running("worker") as worker:
        sink.ledger.await_count(200, WITHIN)
        with disk.full(worker.process.pid):
            worker.await_said(STOPPED, times=1)
            stopped_at = _stands_still(sink.ledger)
        sink.ledger.await_count(len(IDS), WITHIN)
        worker.send(signal.SIGTERM)
        code = worker.end()
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, IDS)
    assert code == 0
    assert stopped_at < len(IDS)
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()
    assert reckoning.unaccounted == set()
    relay.home.run("audit", "verify")


def test_a_publisher_says_so_and_takes_nothing_on_while_the_disk_is_full(
    relay: Relay, sink: SmtpSink, disk: Disk
) -> None:
    ids = [f"t{number}" for number in range(MORE_THAN_FIT)]
    file = relay.write(ids)

    with relay.home.running("trigger", "publish", "--file", file) as publisher:
        publisher.await_said("t0")
        with disk.full(publisher.process.pid):
            code = publisher.end()
    accepted = {line.strip() for line in publisher.said} & set(ids)
    relay.home.run("worker", "--drain")

    reckoning = reckon(relay, sink.ledger, accepted)
    assert code != 0
    assert len(accepted) < len(ids)
    assert reckoning.lost == set()
    assert reckoning.unrecorded == set()


def _stands_still(ledger: Ledger) -> int:
    """Return the count once no lane has followed up, for a lease, what none can record.

    What is allocated of the disk already may take some more before.
    """
    while True:
        arrived = ledger.count()
        try:
            ledger.await_count(arrived + 2 * LANES + 1, LEASE)
        except TooFew:
            return arrived
