"""Installation status: facts of all profiles; what is not known is None, never zero."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from keyrelay.api.installation_gauges import InstallationGauges
from keyrelay.model.backlog import Depth, PartitionBacklog
from keyrelay.model.job import JobKind
from keyrelay.model.pause import PauseKind
from keyrelay.ports import Unavailable
from keyrelay.services.installation_status import (
    DataFiles,
    InstallationInspection,
    InstallationStatus,
    QueueDepth,
    TopicStatus,
    installation_document,
)
from keyrelay.services.jobs import Jobs
from keyrelay.services.key_status import KeyInspection
from keyrelay.stores.claims.heartbeat import signed_on
from keyrelay.stores.pauses import PauseRecords
from keyrelay.stores.runs.hosts import RunHosts
from tests.contract.stores.house import ADA, House
from tests.fakes import Pass
from tests.samples import NOON

NOWHERE = DataFiles(home=Path("/nowhere"), database=None, queue=None)
LONG = 6.0  # seconds
MINUTE = timedelta(minutes=1)
NOTHING = Depth(waiting=0, due=0, leased=0, age=timedelta())


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A queue in which this waits; `away`, it does not answer."""

    all: Depth = NOTHING
    partitions: Sequence[PartitionBacklog] = ()
    held: int | None = 0
    away: bool = False

    async def depth(self) -> Depth:
        if self.away:
            raise Unavailable("the queue does not answer")
        return self.all

    async def unsettled(self) -> Sequence[PartitionBacklog]:
        return self.partitions

    async def count_held(self) -> int | None:
        return self.held


@dataclass(frozen=True, kw_only=True)
class Silent(Waiting):
    """A queue that never answers."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def depth(self) -> Depth:
        self.is_asked.set()
        await asyncio.Event().wait()
        return NOTHING


def inspection(
    house: House, queue: Waiting | None = None, files: DataFiles = NOWHERE
) -> InstallationInspection:
    world = house.audit_log.world
    pauses = PauseRecords(database=house.database, world=world)
    return InstallationInspection(
        keys=KeyInspection(guard=house.catalog.guard, pauses=pauses),
        trail=house.trail,
        jobs=Jobs(records=house.jobs),
        queue=queue or Waiting(),
        files=files,
        run_hosts=RunHosts(database=house.database, world=world),
    )


def told(status: InstallationStatus, name: str) -> object:
    return installation_document(status, NOON)[name]


async def test_workers_are_told_while_they_are_alive(house: House) -> None:
    world, lease = house.audit_log.world, timedelta(seconds=30)
    async with signed_on(house.database, world, lease) as heartbeat:
        alive = (await inspection(house).status()).workers
        house.clock.advance(lease)
        silent = (await inspection(house).status()).workers

    assert [(each.id, each.since) for each in alive] == [(heartbeat.id, NOON)]
    assert silent == []


async def test_a_worker_whose_row_cannot_be_read_hides_no_other(house: House) -> None:
    world, lease = house.audit_log.world, timedelta(seconds=30)
    async with signed_on(house.database, world, lease) as heartbeat:
        await house.break_in(
            "INSERT INTO workers SELECT 'x', host, alive_until FROM workers"
        )
        alive = (await inspection(house).status()).workers

    assert [each.id for each in alive] == [heartbeat.id]


async def test_of_a_topic_the_partitions_are_added_up_and_the_oldest_counts(
    house: House,
) -> None:
    lagging = [
        PartitionBacklog(topic="b", partition=0, waiting=2, oldest=NOON - MINUTE),
        PartitionBacklog(topic="b", partition=1, waiting=3, oldest=NOON - 2 * MINUTE),
        PartitionBacklog(topic="b", partition=2, waiting=1, oldest=None),
        PartitionBacklog(topic="a", partition=0, waiting=4, oldest=None),
    ]
    queue = Waiting(all=replace(NOTHING, waiting=10, due=6), partitions=lagging)

    status = await inspection(house, queue).status()

    assert status.queue == QueueDepth(
        waiting=10,
        held=0,
        oldest=NOON - 2 * MINUTE,
        topics=[
            TopicStatus(topic="a", waiting=4, oldest=None),
            TopicStatus(topic="b", waiting=6, oldest=NOON - 2 * MINUTE),
        ],
    )
    assert told(status, "queue") == {
        "waiting": 10,
        "held": 0,
        "oldest_age_seconds": 120,
        "topics": [
            {"topic": "a", "waiting": 4, "oldest_age_seconds": None},
            {"topic": "b", "waiting": 6, "oldest_age_seconds": 120},
        ],
    }


async def test_of_the_embedded_queue_the_age_is_that_of_what_is_due(
    house: House,
) -> None:
    due = Depth(waiting=2, due=1, leased=0, age=MINUTE)

    some = await inspection(house, Waiting(all=due)).status()
    none = await inspection(house, Waiting(all=replace(due, due=0))).status()

    assert some.queue == QueueDepth(waiting=2, held=0, oldest=NOON - MINUTE, topics=[])
    assert none.queue == QueueDepth(waiting=2, held=0, oldest=None, topics=[])


async def test_what_is_not_known_is_none_and_no_gauge(house: House) -> None:
    status = await inspection(house, Waiting(away=True)).status()
    unheld = await inspection(house, Waiting(held=None)).status()

    assert (status.queue, told(status, "queue")) == (None, None)
    disk = told(status, "disk")
    assert isinstance(disk, dict)
    assert set(disk.values()) == {None}
    assert (unheld.queue or QueueDepth(waiting=1, held=1, oldest=None)).held is None
    gauges = {
        each.name.removeprefix("keyrelay_installation_")
        for seen in (status, unheld)
        for each in InstallationGauges(status=seen, now=NOON).collect()
    }
    assert gauges == {
        "workers",
        "run_hosts",
        "secrets_paused",
        "waiting",
        "audit_chains",
    }


async def test_a_queue_that_gives_no_answer_holds_nothing_else_up(
    house: House, passes: Pass
) -> None:
    silent = Silent()
    asked = asyncio.ensure_future(inspection(house, silent).status())
    await silent.is_asked.wait()

    passes(LONG)
    status = await asked

    assert (status.queue, len(status.keys.keys)) == (None, 2)


async def test_a_file_counts_with_what_is_written_ahead_of_it(
    house: House, tmp_path: Path
) -> None:
    database, queue = tmp_path / "a.db", tmp_path / "gone.db"
    database.write_bytes(b"12345")
    files = DataFiles(home=tmp_path, database=database, queue=queue)

    alone = files.disk()
    (tmp_path / "a.db-wal").write_bytes(b"678")
    status = await inspection(house, files=files).status()

    assert (alone.database, status.disk.database, status.disk.queue) == (5, 8, None)
    assert status.disk.free is not None
    assert status.disk.total is not None
    assert 0 < status.disk.free < status.disk.total


async def test_keys_and_pauses_are_counted_and_named_by_id_alone(house: House) -> None:
    await house.new_secret("office")
    await house.break_in(
        "INSERT INTO pauses (secret, worker, name, version, reason, since, length,"
        " probe_at, kept_until) SELECT id, '', 'w', version, 'refused', created_at, 1,"
        " created_at, created_at FROM secrets"
    )

    status = await inspection(house).status()

    assert told(status, "paused") == {PauseKind.REFUSED: 1, PauseKind.UNREACHABLE: 0}
    vault = told(status, "vault")
    assert isinstance(vault, dict)
    assert (vault["sealed"], vault["reason"]) == (False, None)
    assert {*vault["keys"][0]} == {
        "id",
        "purpose",
        "wrapped_by",
        "created_at",
        "age_days",
    }
    assert "office" not in str(installation_document(status, NOON))


async def test_the_newest_verification_that_has_ended_is_told(house: House) -> None:
    jobs = inspection(house).jobs
    before = await inspection(house).status()
    ended = await jobs.start(JobKind.VERIFY, None, ADA)
    await house.break_in(
        "UPDATE jobs SET state = 'done', refused = 2, ended_at = created_at,"
        " sound = false"
    )
    await jobs.start(JobKind.VERIFY, None, ADA)

    status = await inspection(house).status()

    audit = told(before, "audit")
    assert isinstance(audit, dict)
    assert audit["verified"] is None
    assert (audit["chains"], audit["records"] > 0) == (1, True)
    assert status.audit.verified is not None
    assert status.audit.verified.id == ended.id
    verified = told(status, "audit")
    assert isinstance(verified, dict)
    at = "2026-01-01T12:00:00.000Z"
    assert {**verified["verified"], "at": at} == {
        "sound": False,
        "findings": 2,
        "at": at,
    }
