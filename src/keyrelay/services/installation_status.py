"""Installation status: facts of the whole installation, for its operator.

It names no profile's definitions. What cannot be known is None, and never zero.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from keyrelay.model.backlog import Depth, PartitionBacklog
from keyrelay.model.instant import wire_instant
from keyrelay.model.job import Job, JobKind, JobState
from keyrelay.model.pause import PauseKind
from keyrelay.ports import Unavailable
from keyrelay.services.jobs import Jobs
from keyrelay.services.key_status import KeyInspection, KeyStatus, keys_document
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.audit.verification import Tally
from keyrelay.stores.claims.heartbeat import LiveWorker, live_workers
from keyrelay.stores.runs.hosts import RunHost, RunHosts

_PATIENCE = timedelta(seconds=5)  # with the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicStatus:
    """What is not settled of a topic; `oldest` is None if it could not be read."""

    topic: str
    waiting: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """What waits for all workers together, and of it what people hold.

    `oldest` is since when the first waits; None, nothing does, or it could not be read.
    `held` is None where no trigger can be held. The embedded queue has no topics.
    """

    waiting: int
    held: int | None
    oldest: datetime | None
    topics: Sequence[TopicStatus] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStatus:
    """`verified` is the newest verification of all chains that has ended, if any."""

    extent: Tally
    verified: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes of the disk with the data directory, and of files; None, not known.

    `database` and `queue` are None where a server keeps them.
    """

    total: int | None
    free: int | None
    database: int | None
    queue: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationStatus:
    """`queue` is None if it did not answer."""

    workers: Sequence[LiveWorker]
    run_hosts: Sequence[RunHost]
    queue: QueueDepth | None
    keys: KeyStatus
    audit: AuditStatus
    disk: Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFiles:
    """The data directory, and the files that a server does not keep."""

    home: Path
    database: Path | None
    queue: Path | None

    def disk(self) -> Disk:
        try:
            usage = shutil.disk_usage(self.home)
        except OSError:
            usage = None
        return Disk(
            total=usage and usage.total,
            free=usage and usage.free,
            database=_size(self.database),
            queue=_size(self.queue),
        )


class WholeQueue(Protocol):
    """What is read of a queue for all workers together. Each raises Unavailable."""

    async def depth(self) -> Depth: ...

    async def unsettled(self) -> Sequence[PartitionBacklog]: ...

    async def count_held(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationInspection:
    keys: KeyInspection
    trail: AuditTrail
    jobs: Jobs
    queue: WholeQueue
    files: DataFiles
    run_hosts: RunHosts

    async def status(self) -> InstallationStatus:
        """Raises Unavailable, if the database does not answer."""
        pauses = self.keys.pauses
        verified = await self.jobs.newest(None, JobKind.VERIFY, JobState.DONE)
        extent = await self.trail.extent()
        return InstallationStatus(
            workers=await live_workers(pauses.database, pauses.world),
            run_hosts=await self.run_hosts.alive(),
            queue=await self._depth(),
            keys=await self.keys.status(examine_secrets=False),
            audit=AuditStatus(extent=extent, verified=verified),
            disk=await asyncio.to_thread(self.files.disk),
        )

    async def _depth(self) -> QueueDepth | None:
        try:
            # Brokers that are away are looked for longer than a scrape lasts.
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                depth = await self.queue.depth()
                topics = await self._topics()
                held = await self.queue.count_held()
        except (Unavailable, TimeoutError):
            return None
        now = self.keys.pauses.world.now()
        known = [each.oldest for each in topics if each.oldest is not None]
        if not topics and depth.due:  # of the embedded queue
            known = [now - depth.age]
        return QueueDepth(
            waiting=depth.waiting,
            held=held,
            oldest=min(known, default=None),
            topics=topics,
        )

    async def _topics(self) -> Sequence[TopicStatus]:
        waiting: dict[str, int] = {}
        oldest: dict[str, datetime | None] = {}
        for each in await self.queue.unsettled():
            topic, first = each.topic, oldest.get(each.topic)
            waiting[topic] = waiting.get(topic, 0) + each.waiting
            known = [at for at in (first, each.oldest) if at is not None]
            oldest[topic] = min(known, default=None)
        return [
            TopicStatus(topic=topic, waiting=count, oldest=oldest[topic])
            for topic, count in sorted(waiting.items())
        ]


def installation_document(
    status: InstallationStatus, now: datetime
) -> Mapping[str, object]:
    """Return the status for JSON; docs/api.md says what each null means."""
    keys, disk = status.keys, status.disk
    return {
        "workers": [*map(_process_document, status.workers)],
        "run_hosts": [
            {**_process_document(each), "languages": [*each.languages]}
            for each in status.run_hosts
        ],
        "queue": status.queue and _queue_document(status.queue, now),
        "paused": {kind: keys.paused.get(kind, 0) for kind in PauseKind},
        "vault": {
            "sealed": keys.sealed is not None,
            "reason": keys.sealed,
            "keys": keys_document(keys.keys, now),
        },
        "audit": _audit_document(status.audit),
        "disk": {
            "total_bytes": disk.total,
            "free_bytes": disk.free,
            "database_bytes": disk.database,
            "queue_bytes": disk.queue,
        },
    }


def _process_document(each: LiveWorker | RunHost) -> Mapping[str, object]:
    return {"id": each.id, "host": each.host, "since": wire_instant(each.since)}


def _queue_document(queue: QueueDepth, now: datetime) -> Mapping[str, object]:
    return {
        "waiting": queue.waiting,
        "held": queue.held,
        "oldest_age_seconds": age(queue.oldest, now),
        "topics": [
            {
                "topic": each.topic,
                "waiting": each.waiting,
                "oldest_age_seconds": age(each.oldest, now),
            }
            for each in queue.topics
        ],
    }


def _audit_document(audit: AuditStatus) -> Mapping[str, object]:
    job, verified = audit.verified, None
    if job is not None and job.times.ended_at is not None:
        verified = {
            "sound": job.progress.sound,
            "findings": job.progress.refused,
            "at": wire_instant(job.times.ended_at),
        }
    extent = audit.extent
    return {"chains": extent.chains, "records": extent.records, "verified": verified}


def age(since: datetime | None, now: datetime) -> float | None:
    """Return how many seconds ago that was; a clock may be ahead of this one."""
    return None if since is None else max(0, (now - since).total_seconds())


def _size(path: Path | None) -> int | None:
    """Return how large the file is, with what SQLite has not yet put into it."""
    if path is None:
        return None
    try:
        return path.stat().st_size + _log_size(path)
    except OSError:
        return None


def _log_size(path: Path) -> int:
    log = Path(f"{path}-wal")
    return log.stat().st_size if log.exists() else 0
